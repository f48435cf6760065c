"""A small world that accidents happen to: every kind of step of the workflow, in an order that works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from retort.config import load
from retort.data.parts import provide
from retort.data.prepare import encode_examples, encode_text
from retort.evaluation.collect import collect_scores
from retort.evaluation.gates import check_gates
from retort.plan import Plan
from retort.runcard import Request
from retort.stages import Stage
from retort.texts import CORPUS
from retort.training.pretraining import pretrain
from retort.training.setup import Job
from retort.training.signals import store_signals
from retort.training.tasks import train_tasks
from retort.training.vocabularies import make_vocabulary

OVERRIDES = {
    "papers": ["glmd"],
    "tasks": ["RTE", "COPA"],
    "methods": ["TinyBERT", "GLMD", "RL-KD"],
    "pairs": ["T1-S1", "(T1,T2)-S2"],
    "data": {"pocket": {"documents": 300, "train_size": 10, "dev_size": 4}},
    "pretraining": {"teacher": {"steps": 4}, "student": {"steps": 4, "micro_batch_size": 4}},
    "task_training": {"epochs": 2, "batch_size": 5, "evaluations": 2},
    "variants": {"tables": [], "quirks": []},
}
CONFIG = load("smoke", OVERRIDES)


def plan_in(results: Path) -> Plan:
    """The plan of the world in a results folder."""
    return Plan(CONFIG, results)


def job_in(plan: Plan) -> Job:
    """How stages are run; reading the code of all stages would cost more than they do."""
    return Job(plan.layout, "code", torch.device("cpu"), Request.made_now({}))


@dataclass(frozen=True)
class Step:
    """One step of the workflow: what it does, and the files or folders that it leaves."""

    name: str
    kind: str
    work: Callable[[Plan], None]
    leaves: Callable[[Plan], list[Path]]


def _provide(part: str) -> Callable[[Plan], None]:
    return lambda plan: provide(plan.config, part, plan.layout.data(plan.data[part]))


def encode(plan: Plan, part: str) -> None:
    """Encode the corpus or a task."""
    manifest, text = plan.layout.data(plan.data[part]) / "manifest.json", plan.layout.text(plan.text[part])
    if part == CORPUS:
        encode_text(plan.config, manifest, text)
    else:
        encode_examples(plan.config, part, manifest, plan.layout.text(plan.text[CORPUS]), text)


def _texts(part: str) -> list[Step]:
    """The steps that make a part of the data."""
    return [
        Step(f"data {part}", "data", _provide(part), lambda plan: [plan.layout.data(plan.data[part])]),
        Step(
            f"text {part}",
            "text",
            lambda plan: encode(plan, part),
            lambda plan: [plan.layout.text(plan.text[part])],
        ),
    ]


def _staged(work: Callable[[Stage, Job], None], name: str) -> Callable[[Plan], None]:
    return lambda plan: work(plan.stages[name], job_in(plan))


def _kind(stage: Stage) -> str:
    sites = {term.site for term in stage.objective.terms}
    what = (
        "several teachers" if len(stage.teachers) > 1
        else "features" if sites - {"words", "class", "hard"}
        else "words" if "words" in sites
        else "classes" if stage.teachers
        else "alone"
    )  # fmt: skip
    compressed = ", compressed vocabulary" if stage.compression is not None else ""
    return f"{stage.phase}: {what}{compressed}"


def steps_of(plan: Plan) -> dict[str, Step]:
    """All steps by name, in an order in which they can be run."""
    found = [step for part in plan.text for step in _texts(part)]
    mapped: set[Path] = set()
    for name, stage in plan.stages.items():
        if stage.compression is not None and plan.layout.vocabulary(stage) not in mapped:
            mapped.add(plan.layout.vocabulary(stage))
            found.append(
                Step(
                    f"vocabulary of {name}",
                    "vocabulary map",
                    _staged(make_vocabulary, name),
                    lambda plan, name=name: [plan.layout.vocabulary(plan.stages[name]).parent],
                )
            )
        work = pretrain if stage.phase == "pretraining" else train_tasks
        found.append(
            Step(
                name,
                _kind(stage),
                _staged(work, name),
                lambda plan, name=name: [plan.layout.stage(plan.stages[name])],
            )
        )
        if any(stage in other.teachers for other in plan.stages.values()) and stage.phase == "task":
            found.append(
                Step(
                    f"signals of {name}",
                    "signals",
                    _staged(store_signals, name),
                    lambda plan, name=name: [plan.layout.signals(plan.stages[name])],
                )
            )
    found.append(Step("gates", "gates", check_gates, lambda plan: [plan.layout.root / "gates.json"]))
    found.append(
        Step(
            "scores",
            "scores",
            lambda plan: collect_scores(plan, "glmd"),
            lambda plan: [plan.layout.root / "glmd"],
        )
    )
    return {step.name: step for step in found}


STEPS = steps_of(plan_in(Path("results")))
