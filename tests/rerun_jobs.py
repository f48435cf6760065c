"""Which jobs Snakemake would run, and which follow from the plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from retort.config import load
from retort.plan import Plan
from retort.reporting.exhibit import SCORES
from retort.reporting.exhibits import exhibits_of

GLMD = exhibits_of("glmd")
PLAN = Plan(load("smoke"))
"""Of the run that tests change."""


def asked(changes: dict[str, Any]) -> list[str]:
    """Changes of the configuration as a user gives them."""
    return [f"{name}={value}" for name, value in changes.items()]


def planned(tree, *overrides: str, targets: tuple[str, ...] = ("all",)) -> set[str]:
    """The jobs that Snakemake would run, each by its rule and what it makes."""
    files = tree.pending(*overrides, target=targets[0], more=targets[1:])
    return {job(rule, output) for output, rule in files.items()}


def job(rule: str, output: str) -> str:
    """``pretrain S1.pre..``, ``table table3``, ``scores``."""
    below = output.split("/")[2:]
    if below[0] == "glmd":
        return f"{rule} {Path(output).stem}" if rule in ("table", "figure") else rule
    return rule if rule in ("report", "gates") else f"{rule} {below[1]}"


def made_by(plan: Plan, stages) -> set[str]:
    return {("pretrain " if plan.stage(s).phase == "pretraining" else "distill_task ") + s for s in stages}


def taught_by(plan: Plan) -> set[str]:
    """Fine-tuned stages that teach."""
    students = [stage for stage in plan.stages.values() if stage.phase == "task"]
    return {teacher.id for stage in students for teacher in stage.teachers if teacher.phase == "task"}


def maps(plan: Plan) -> dict[str, str]:
    """Teacher by vocabulary map."""
    compressed = [stage for stage in plan.stages.values() if stage.compression is not None]
    return {plan.layout.vocabulary(stage).parent.name: stage.mapped_by.id for stage in compressed}


def named_jobs(plan: Plan) -> set[str]:
    """All jobs whose results lie in folders that are named after what they follow from."""
    corpus, *tasks = plan.text.values()
    return (
        {f"data {name}" for name in plan.data.values()}
        | {f"text {corpus}", *(f"examples {task}" for task in tasks)}
        | made_by(plan, plan.stages)
        | {f"signals {name}" for name in taught_by(plan)}
        | {f"vocabulary_map {name}" for name in maps(plan)}
    )


def showing(test: Callable) -> set[str]:
    """Exhibits with a property, and the page."""
    found = {f"table {name}" for name, exhibit in GLMD.tables.items() if test(exhibit)}
    return found | {f"figure {name}" for name, exhibit in GLMD.figures.items() if test(exhibit)} | {"report"}


OF_RECIPES = {"table table1", "table table6"}
"""What methods are made of: values that hold distances, whose code counts as theirs."""
EXHIBITS = showing(lambda exhibit: True) | {"claims"}
OF_SCORES = showing(lambda exhibit: SCORES in exhibit.of) | {"claims", "table claims"}


def behind(changed: set[str], plan: Plan = PLAN) -> set[str]:
    """What stands on stages, themselves left out."""
    again = set(changed)
    for name, stage in plan.stages.items():  # ancestors come first
        if any(parent.id in again for parent in stage.ancestors()):
            again.add(name)
    ends = {stage.id for cell in plan.cells for stage in cell.stages}
    teachers = {stage.id for cell in plan.cells if cell.role == "teacher" for stage in cell.stages}
    found = made_by(plan, again - changed) | {f"signals {name}" for name in taught_by(plan) & again}
    found |= {f"vocabulary_map {name}" for name, teacher in maps(plan).items() if teacher in again}
    found |= {"gates"} if again & teachers else set()
    return found | ({"scores", *OF_SCORES} if again & ends else set())


def whose(test: Callable, plan: Plan = PLAN) -> set[str]:
    """Stages with a property."""
    return {name for name, stage in plan.stages.items() if test(stage)}


def compares_by(kind: type) -> set[str]:
    return whose(lambda stage: any(isinstance(term.by, kind) for term in stage.objective.terms))
