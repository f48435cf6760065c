"""Gates: a teacher that stopped on a plateau must not teach."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from retort.cells import GLMD, Cell
from retort.errors import RetortError
from retort.evaluation.selection import own_best, scoring_of
from retort.files import read_json, write_json
from retort.plan import Plan
from retort.stages import Stage


def check_gates(plan: Plan) -> None:
    """Compare every teacher with the configured least scores and write ``gates.json``.

    Raises:
        RetortError: a gate is missed; the message names the teacher, the score and the remedy.
    """
    judged = [(cell, _report(cell, cell.stages, plan)) for cell in _teachers(plan)]
    _refuse(judged)
    write_json(plan.layout.root / "gates.json", {cell.pair: report for cell, report in judged})


def check_teachers(plan: Plan, student: Stage) -> None:
    """Compare the fine-tuned teachers of a task stage with the configured least scores, before it learns.

    A student waits for its own teachers alone, so it judges what it has of each: the scores on its tasks,
    and the average where the teacher was trained on all tasks in one job. :func:`check_gates` does the rest.

    Raises:
        RetortError: a gate is missed; the message names the teacher, the score and the remedy.
    """
    cells = {stage.id: cell for cell in _teachers(plan) for stage in cell.stages}
    shown = [(cells[teacher.id], teacher) for teacher in student.teachers if teacher.id in cells]
    _refuse([(cell, _report(cell, (teacher,), plan)) for cell, teacher in shown])


def _teachers(plan: Plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.role == "teacher"]


_LONGER = {GLMD: "pretraining.teacher.steps"}
_TRACK = "pretraining.teacher.steps or task_training.epochs.teacher of its track"
"""What makes a teacher learn more."""


def _refuse(judged: list[tuple[Cell, dict[str, Any]]]) -> None:
    missed = [(cell, line) for cell, report in judged for line in report["missed"]]
    if missed:
        lines = "; ".join(f"{cell.pair} {line}" for cell, line in missed)
        keys = ", ".join(dict.fromkeys(_LONGER.get(cell.paper, _TRACK) for cell, _ in missed))
        raise RetortError(
            f"teacher gates: {lines}. The teacher has not learned enough to teach: give it more steps "
            f"({keys}), or lower the gates (gates) if that is meant"
        )


def _report(cell: Cell, stages: tuple[Stage, ...], plan: Plan) -> dict[str, Any]:
    """Scores of a teacher by some of its stages, and what they miss; the average needs all tasks."""
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    seen: set[str] = set()
    for stage in stages:
        metrics = read_json(plan.layout.stage(stage) / "metrics.json")
        for task, run in own_best(stage, metrics).items():
            scoring, evaluations = scoring_of(stage, task), metrics[run]["evaluations"]
            seen.add(task)
            before |= scoring.judged(task, evaluations[0]["all"])
            after |= scoring.judged(task, max((e["all"] for e in evaluations), key=scoring.selection))
    average, least = fmean(after.values()), cell.least
    missed = [
        f"scores {found[task]:.1f} on {task} {when} fine-tuning, {wanted:g} are asked for"
        for when, found, asked in (("before", before, least.before), ("after", after, least.after))
        for task, wanted in asked.items()
        if task in found and found[task] < wanted
    ]
    complete = seen == set(cell.tasks)
    if least.average is not None and complete and average < least.average:
        missed.append(f"averages {average:.1f} after fine-tuning, {least.average:g} are asked for")
    return {"zero_shot": before, "fine_tuned": after, "fine_tuned_average": average, "missed": missed}
