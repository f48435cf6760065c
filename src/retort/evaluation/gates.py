"""Gates: a teacher that stopped on a plateau must not teach."""

from __future__ import annotations

from typing import Any

from retort.cells import Cell
from retort.errors import RetortError
from retort.evaluation.metrics import selection_score, superglue_average, task_score
from retort.evaluation.selection import own_best
from retort.files import read_json, write_json
from retort.plan import Plan
from retort.stages import Stage


def check_gates(plan: Plan) -> None:
    """Compare every teacher with the configured least scores and write ``gates.json``.

    Raises:
        RetortError: a gate is missed; the message names the teacher, the score and the remedy.
    """
    reports = {cell.pair: _report(cell.stages, plan) for cell in _teachers(plan)}
    _refuse(reports)
    write_json(plan.layout.root / "gates.json", reports)


def check_teachers(plan: Plan, student: Stage) -> None:
    """Compare the fine-tuned teachers of a task stage with the configured least scores, before it learns.

    A student waits for its own teachers alone, so it judges what it has of each: the scores on its tasks,
    and the average where the teacher was trained on all tasks in one job. :func:`check_gates` does the rest.

    Raises:
        RetortError: a gate is missed; the message names the teacher, the score and the remedy.
    """
    names = {stage.id: cell.pair for cell in _teachers(plan) for stage in cell.stages}
    shown = [teacher for teacher in student.teachers if teacher.id in names]
    _refuse({names[teacher.id]: _report((teacher,), plan) for teacher in shown})


def _teachers(plan: Plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.role == "teacher"]


def _refuse(reports: dict[str, dict[str, Any]]) -> None:
    missed = [f"{name} {line}" for name, report in reports.items() for line in report["missed"]]
    if missed:
        raise RetortError(
            f"teacher gates: {'; '.join(missed)}. The teacher has not learned enough to teach: give it more "
            "steps (pretraining.teacher.steps), or lower the gates (gates) if that is meant"
        )


def _report(stages: tuple[Stage, ...], plan: Plan) -> dict[str, Any]:
    """Scores of a teacher by some of its stages, and what they miss; the average needs all tasks."""
    gates = plan.config.gates
    zero_shot: dict[str, dict[str, float]] = {}
    tuned: dict[str, dict[str, float]] = {}
    for stage in stages:
        metrics = read_json(plan.layout.stage(stage) / "metrics.json")
        for task, run in own_best(stage, metrics).items():
            evaluations = metrics[run]["evaluations"]
            zero_shot[task] = evaluations[0]["all"]
            tuned[task] = max((e["all"] for e in evaluations), key=_selecting(task))
    average = superglue_average(tuned, tuple(tuned))
    missed = [
        f"scores {task_score(task, zero_shot[task]):.1f} on {task} before fine-tuning, "
        f"{least:g} are asked for"
        for task, least in gates.zero_shot.items()
        if task in zero_shot and task_score(task, zero_shot[task]) < least
    ]
    least, complete = gates.fine_tuned_average, tuned.keys() == set(plan.config.tasks)
    if least is not None and complete and average < least:
        missed.append(f"averages {average:.1f} after fine-tuning, {least:g} are asked for")
    return {
        "zero_shot": {task: task_score(task, metrics) for task, metrics in zero_shot.items()},
        "fine_tuned": {task: task_score(task, metrics) for task, metrics in tuned.items()},
        "fine_tuned_average": average,
        "missed": missed,
    }


def _selecting(task: str) -> Any:
    return lambda metrics: selection_score(task, metrics)
