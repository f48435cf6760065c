"""The long table of scores of every cell, and which batch size and learning rate each came from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.cells import Cell
from retort.evaluation.selection import PROTOCOLS, best_run, runs_by_task, scoring_of, selected
from retort.files import atomic_path, read_json
from retort.plan import Plan
from retort.runs import TaskRun

COLUMNS = ("role", "method", "pair", "seed", "task", "metric", "protocol", "value", "stage", "run")
CHOICES = (
    *("role", "method", "pair", "task", "protocol"),
    *("batch_size", "learning_rate", "n_seeds", "score", "points"),
)


@dataclass(frozen=True)
class Choice:
    """The point of a search that one method on one pair reports for a task; without a search, the only one.

    Attributes:
        name: of the runs at this point, one a seed; ``run``: their settings.
        score: mean over ``seeds`` seeds of what was compared; ``points``: how many were.
    """

    task: str
    protocol: str
    name: str
    run: TaskRun
    seeds: int
    score: float
    points: int


def collect_scores(plan: Plan, paper: str) -> None:
    """Write ``<paper>/scores.csv`` and ``<paper>/hyper_parameters.csv`` from the metrics of its cells."""
    cells = plan.cells_of(paper)
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.role, cell.method, cell.pair), []).append(cell)
    chosen = {row: choices(same, plan) for row, same in groups.items()}
    scores = [row for cell in cells for row in _scores(cell, chosen[cell.role, cell.method, cell.pair], plan)]
    folder = plan.layout.root / paper
    _write(folder / "hyper_parameters.csv", CHOICES, _points(chosen))
    _write(folder / "scores.csv", COLUMNS, [*_baselines(cells, plan), *scores])


def choices(cells: list[Cell], plan: Plan) -> dict[tuple[str, str], Choice]:
    """By task and protocol, the point that the seeds of one method on one pair report.

    The mean over seeds decides; of equally good points the one with the smaller batch, then the smaller
    learning rate.

    Args:
        cells: all seeds.
        plan: knows where their metrics are.
    """
    found = {}
    for stages in zip(*(cell.stages for cell in cells), strict=True):
        metrics = [read_json(plan.layout.stage(stage) / "metrics.json") for stage in stages]
        for task, names in runs_by_task(stages[0]).items():
            runs = {name: [seed[name]["evaluations"] for seed in metrics] for name in names}
            for protocol in PROTOCOLS:
                name, score = best_run(scoring_of(stages[0], task), runs, protocol)
                settings = stages[0].runs[name]
                found[task, protocol] = Choice(task, protocol, name, settings, len(cells), score, len(names))
    return found


def _scores(cell: Cell, chosen: dict[tuple[str, str], Choice], plan: Plan) -> Iterator[tuple[Any, ...]]:
    head = (cell.role, cell.method, cell.pair, cell.seed)
    for stage in cell.stages:
        metrics = read_json(plan.layout.stage(stage) / "metrics.json")
        for task in sorted(stage.tasks):
            for protocol in PROTOCOLS:
                run = chosen[task, protocol].name
                found = selected(scoring_of(stage, task), metrics[run]["evaluations"])[protocol]
                for metric, value in found.items():
                    yield (*head, task, metric, protocol, f"{value:.6g}", stage.id, run)


def _points(
    chosen: dict[tuple[str, str, str], dict[tuple[str, str], Choice]],
) -> Iterator[tuple[Any, ...]]:
    for row, found in chosen.items():
        for one in found.values():
            rate = one.run.optimiser.learning_rate
            numbers = (one.run.batch_size, rate, one.seeds, f"{one.score:.6g}", one.points)
            yield (*row, one.task, one.protocol, *numbers)


def _baselines(cells: Sequence[Cell], plan: Plan) -> Iterator[tuple[Any, ...]]:
    """What one scores without learning, task by task; families see the same examples."""
    runs = {run.task: (stage, run) for cell in cells for stage in cell.stages for run in stage.runs.values()}
    for task, (stage, run) in runs.items():
        lesson = run.lesson(plan.layout.text(stage.data), plan.layout.text(run.text))
        for method, metrics in lesson.guesses().items():
            for metric, value in metrics.items():
                for protocol in PROTOCOLS:
                    yield ("baseline", method, "", "", task, metric, protocol, f"{value:.6g}", "", "")


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
