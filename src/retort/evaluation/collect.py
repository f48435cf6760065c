"""One long table of scores: every teacher and student, seed, task, metric and selection protocol."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from retort.data.store import load_examples
from retort.evaluation.metrics import baseline, selection_score
from retort.files import atomic_path, read_json
from retort.plan import Cell, Plan

COLUMNS = ("role", "method", "pair", "seed", "task", "metric", "protocol", "value", "stage")


def collect_scores(plan: Plan) -> None:
    """Write ``glmd/scores.csv`` from the metrics of all cells."""
    with (
        atomic_path(plan.layout.root / "glmd" / "scores.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_baselines(plan))
        for cell in plan.cells:
            writer.writerows(_rows(cell, plan))


def selected(task: str, evaluations: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Metrics by selection protocol.

    ``paper``: the best evaluation on all of dev, reported on the same, as the authors did.
    ``held_out``: the best on one half of dev, reported on the other.
    """
    best = max(evaluations, key=lambda e: selection_score(task, e["all"]))
    chosen = max(evaluations, key=lambda e: selection_score(task, e["select"]))
    return {"paper": best["all"], "held_out": chosen["report"]}


def _rows(cell: Cell, plan: Plan) -> Iterator[tuple[Any, ...]]:
    for stage in cell.stages:
        for task, run in read_json(plan.layout.stage(stage) / "metrics.json").items():
            for protocol, metrics in selected(task, run["evaluations"]).items():
                for metric, value in metrics.items():
                    yield (
                        cell.role,
                        cell.method,
                        cell.pair,
                        cell.seed,
                        task,
                        metric,
                        protocol,
                        f"{value:.6g}",
                        stage.id,
                    )


def _baselines(plan: Plan) -> Iterator[tuple[Any, ...]]:
    folder = plan.layout.text(plan.text) / "tasks"
    for task in plan.config.tasks:
        for metric, value in baseline(task, load_examples(folder, f"{task}.val")).items():
            for protocol in ("paper", "held_out"):
                yield ("baseline", "majority", "", "", task, metric, protocol, f"{value:.6g}", "")
