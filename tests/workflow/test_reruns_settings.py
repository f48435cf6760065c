"""What runs again after a change of the configuration."""

from __future__ import annotations

from typing import Any

import pytest
from rerun_jobs import EXHIBITS, PLAN, asked, named_jobs, of_paper, planned

from retort.config import load
from retort.data.superglue import TASKS
from retort.plan import Plan

pytestmark = pytest.mark.workflow


def of(paper: str, track: str, **changes: Any) -> dict[str, Any]:
    """Changes of a track."""
    return {paper: {"tracks": {track: changes}}}


def rows(plan: Plan, paper: str) -> list[Any]:
    """What the rows of a paper's scores are called and where they come from."""
    return [(cell.role, cell.method, cell.pair, cell.seed, cell.stages) for cell in plan.cells_of(paper)]


SETTINGS = {
    "seed": ({"seeds": [1, 2]}, {"distill_task", "pretrain", "signals"}),
    "learning-rate": (
        {"task_training": {"learning_rate": {"student": 0.002}}},
        {"distill_task", "signals"},
    ),
    "epochs-of-a-task": (
        {"task_training": {"epochs": dict.fromkeys(TASKS, 1) | {"RTE": 2}}},
        {"distill_task", "signals", "gates"},
    ),
    "length-of-a-task": (
        {"task_training": {"max_length": dict.fromkeys(TASKS, 96) | {"RTE": 80}}},
        {"examples", "distill_task", "signals", "gates"},
    ),
    "limit-of-examples": (
        {"data": {"limits": {"train": 8}}},
        {"examples", "distill_task", "signals", "gates"},
    ),
    "limit-of-the-corpus": (
        {"data": {"limits": {"corpus": 1000}}},
        {"text", "examples", "pretrain", "distill_task", "signals", "vocabulary_map", "gates"},
    ),
    "fewer-tasks": ({"tasks": ["RTE", "CB"]}, {"distill_task", "signals", "gates"}),
    "gates": ({"gates": {"zero_shot": {"RTE": 1}}}, {"gates"}),
    "fewer-methods": ({"methods": ["KD", "PD"]}, {"gates"}),
    # the second paper
    "rate-of-a-track": (
        of("cka", "bart", task_training={"learning_rate": {"student": 0.002}}),
        {"distill_task"},
    ),
    "steps-on-a-corpus": (
        of("cka", "bert", pretraining={"student": {"steps": 3}}),
        {"pretrain", "distill_task"},
    ),
    "length-of-a-text": (
        of("cka", "bert", tasks={"MNLI": {"source": 40}}),
        {"examples", "distill_task", "gates", "speed"},
    ),
    "vocabulary-of-a-track": (
        of("cka", "t5", vocabulary={"size": 700}),
        {"words", "examples", "distill_task", "gates", "speed"},
    ),
    "gate-of-a-track": (of("cka", "bert", gates={"MNLI": 1}), {"gates"}),
    "student-of-a-method": (
        of("cka", "bart", methods={"BART none": ["BART_1x8"]}),
        {"distill_task"},
    ),
    # the third
    "tokens-of-a-response": (
        of("atkd", "opt", instructions={"new_tokens": 6}),
        {"distill_task", "signals", "gates", "landscape"},
    ),
    "length-of-a-prompt": (
        of("atkd", "opt", instructions={"prompt": 100}),
        {"examples", "distill_task", "signals", "gates", "landscape"},
    ),
    "pair-of-a-method": (
        of("atkd", "opt", methods={"GKD": ["OPT_1x8", "OPT_1x16-OPT_1x8"]}),
        {"distill_task"},
    ),
    "instructions": (
        {"atkd": {"pocket": {"instructions": {"train": 9}}}},
        {"data", "words", "examples", "pretrain", "distill_task", "signals", "gates", "landscape"},
    ),
}


@pytest.mark.parametrize(("changes", "rules"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_reruns_just_what_it_can_affect(clone, changes, rules):
    """New folders for what depends on it; exhibits show the configuration."""
    after = Plan(load("smoke", changes))
    changed = {paper for paper in PLAN.config.papers if rows(after, paper) != rows(PLAN, paper)}
    new = named_jobs(after) - named_jobs(PLAN)
    expected = new | EXHIBITS | {of_paper(paper, "scores") for paper in changed}
    expected |= ({"gates"} & rules) | ({of_paper("cka", "speed")} if "speed" in rules else set())
    expected |= {of_paper("atkd", "landscape")} if "landscape" in rules else set()
    assert {name.split()[0] for name in expected} - {"scores", "table", "figure", "claims", "report"} == rules
    assert planned(clone, *asked(changes)) == expected
