"""What runs again after a change of the configuration."""

from __future__ import annotations

import pytest
from rerun_jobs import EXHIBITS, PLAN, asked, named_jobs, planned

from retort.config import load
from retort.data.superglue import TASKS
from retort.plan import Plan

pytestmark = pytest.mark.workflow

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
}


@pytest.mark.parametrize(("changes", "rules"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_reruns_just_what_it_can_affect(clone, changes, rules):
    """New folders for what depends on it; exhibits show the configuration."""
    after = Plan(load("smoke", changes))
    new = named_jobs(after) - named_jobs(PLAN)
    expected = new | EXHIBITS | (set() if "gates" in changes else {"scores"})
    expected |= {"gates"} & rules
    assert {name.split()[0] for name in expected} - {"scores", "table", "figure", "claims", "report"} == rules
    assert planned(clone, *asked(changes)) == expected
