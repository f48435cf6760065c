"""Gates: a teacher that stopped on a plateau must not teach."""

from __future__ import annotations

from typing import Any

from retort.cells import Cell
from retort.errors import RetortError
from retort.evaluation.metrics import selection_score, superglue_average, task_score
from retort.evaluation.selection import own_best
from retort.files import read_json, write_json
from retort.plan import Plan


def check_gates(plan: Plan) -> None:
    """Compare every teacher with the configured least scores and write ``gates.json``.

    Raises:
        RetortError: a gate is missed; the message names the teacher, the score and the remedy.
    """
    reports = {cell.pair: _report(cell, plan) for cell in plan.cells if cell.role == "teacher"}
    missed = [f"{name} {line}" for name, report in reports.items() for line in report["missed"]]
    if missed:
        raise RetortError(
            f"teacher gates: {'; '.join(missed)}. The teacher has not learned enough to teach: give it more "
            "steps (pretraining.teacher.steps), or lower the gates (gates) if that is meant"
        )
    write_json(plan.layout.root / "gates.json", reports)


def _report(cell: Cell, plan: Plan) -> dict[str, Any]:
    gates = plan.config.gates
    zero_shot: dict[str, dict[str, float]] = {}
    tuned: dict[str, dict[str, float]] = {}
    for stage in cell.stages:
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
    if gates.fine_tuned_average is not None and average < gates.fine_tuned_average:
        missed.append(f"averages {average:.1f} after fine-tuning, {gates.fine_tuned_average:g} are asked for")
    return {
        "zero_shot": {task: task_score(task, metrics) for task, metrics in zero_shot.items()},
        "fine_tuned": {task: task_score(task, metrics) for task, metrics in tuned.items()},
        "fine_tuned_average": average,
        "missed": missed,
    }


def _selecting(task: str) -> Any:
    return lambda metrics: selection_score(task, metrics)
