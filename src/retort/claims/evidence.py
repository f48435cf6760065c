"""What a run says about a score: its value, and draws of what it might as well have been.

A score varies for two reasons: the dev examples are a sample, and so is the training seed. Each draw
resamples both at once. Examples: the records of the dev file are drawn with replacement, the same ones for
every row, as all are scored on the same file; the official metrics are computed anew from the draw. Seeds:
the mean over seeds moves by what a moderated variance allows (:mod:`retort.claims.spreads`), independently
for each row. Seeds are not paired: rows that share a seed tend to move together, which makes their
difference vary less, so intervals are rather too wide than too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retort.claims.answers import read_answers
from retort.claims.kinds import Cell, tasks_of
from retort.claims.spreads import Pool, Spread, pool
from retort.errors import InputError
from retort.files import digest_of, verify
from retort.papers import paper_of
from retort.reporting.scores import PAPER, select

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from retort.reporting.results import Results

DRAWS = 2000
_SEED = 20
_ROLES = ("teacher", "student", "variant")
_ROUNDING = 0.002
"""Scores are stored with six digits."""
Tasks = tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A score of a cell.

    Attributes:
        value: mean over seeds.
        examples: float64 [draws]; the value on resampled dev examples, seeds as they are.
        shifts: float64 [draws]; by how much other seeds might move the mean; 0 where that is unknown.
        spread: variance between seeds; ``None`` where no row has two seeds.
        seeds: how many.
    """

    value: float
    examples: np.ndarray
    shifts: np.ndarray
    spread: Spread | None
    seeds: int


class Evidence:
    """Scores of a finished run under the protocol ``paper``, whose predictions are kept.

    Args:
        results: of one scale.
        draws: how many.
    """

    def __init__(self, results: Results, draws: int = DRAWS) -> None:
        self._results = results
        self._paper = paper_of(results.paper)
        self._draws = draws
        self._tasks: dict[tuple[Cell, str], dict[str, tuple[float, np.ndarray]]] = {}
        self._samples: dict[tuple[Cell, str, Tasks], Sample | None] = {}
        self._pools: dict[Tasks, Pool | None] = {}
        self._resamples: dict[Tasks, tuple[tuple[str, ...], np.ndarray]] = {}

    def samples(self, cells: Sequence[Cell], scope: str) -> list[Sample | None]:
        """Scores that can be compared: averages over the tasks that all of these cells have.

        Args:
            cells: of one comparison. Those that have nothing of the scope do not count.
            scope: one of :func:`retort.claims.kinds.scopes`.

        Returns:
            One for each cell; ``None`` where no seed has all the tasks.

        Raises:
            InputError: predictions are missing or are not those behind the scores.
        """
        tasks = self.shared(cells, scope)
        return [self._known(cell, scope, tasks) for cell in cells]

    def shared(self, cells: Sequence[Cell], scope: str) -> Tasks:
        """The tasks of a scope that all cells have that have any."""
        every = [had for had in (self.had(cell, scope) for cell in cells) if had]
        return tuple(task for task in (every[0] if every else ()) if all(task in had for had in every))

    def had(self, cell: Cell, scope: str) -> Tasks:
        """The tasks of a scope that a cell was trained on."""
        found = {task for by_task in self._scores.get(cell, {}).values() for task in by_task}
        return tuple(task for task in tasks_of(self._paper.name, scope) if task in found)

    def _known(self, cell: Cell, scope: str, tasks: Tasks) -> Sample | None:
        place = cell, scope, tasks
        if place not in self._samples:
            self._samples[place] = self._sample(cell, scope, tasks)
        return self._samples[place]

    def _pool(self, tasks: Tasks) -> Pool | None:
        """What all rows of the run say about the variance of this score between seeds."""
        if tasks not in self._pools:
            self._pools[tasks] = pool([list(self._by_seed(cell, tasks).values()) for cell in self.runs])
        return self._pools[tasks]

    def _sample(self, cell: Cell, scope: str, tasks: Tasks) -> Sample | None:
        import numpy as np

        values = self._by_seed(cell, tasks)
        if not values:
            return None
        drawn = [[self._task(cell, task)[seed][1] for task in tasks] for seed in values]
        known = self._pool(tasks)
        spread = None if known is None else known.spread(list(values.values()))
        shifts = np.zeros(self._draws)
        if spread is not None:
            random = np.random.default_rng([_SEED, int(digest_of([cell.method, cell.pair, scope]), 16)])
            shifts = random.standard_t(spread.freedom, self._draws) * np.sqrt(spread.variance / len(values))
        mean = float(np.mean(list(values.values())))
        return Sample(mean, np.mean(drawn, axis=(0, 1)), shifts, spread, len(values))

    def _by_seed(self, cell: Cell, tasks: Tasks) -> dict[str, float]:
        """Score of each seed that has all the tasks."""
        found = self._scores.get(cell, {})
        return {
            seed: sum(by_task[task] for task in tasks) / len(tasks)
            for seed, by_task in found.items()
            if tasks and all(task in by_task for task in tasks)
        }

    @cached_property
    def runs(self) -> dict[Cell, dict[tuple[str, str], Path]]:
        """Folder of the scored run by seed and task, of every cell that was trained."""
        found: dict[Cell, dict[tuple[str, str], Path]] = {}
        for row in trained_rows(self._results).to_dict("records"):
            cell = Cell(method=row["method"], pair=row["pair"])
            folder = self._results.run(row["stage"], row["run"])
            found.setdefault(cell, {})[row["seed"], row["task"]] = folder
        return found

    @cached_property
    def _scores(self) -> dict[Cell, dict[str, dict[str, float]]]:
        """Score by cell, seed and task."""
        metrics: dict[tuple[Cell, str, str], dict[str, float]] = {}
        for row in trained_rows(self._results).to_dict("records"):
            cell = Cell(method=row["method"], pair=row["pair"])
            metrics.setdefault((cell, row["seed"], row["task"]), {})[row["metric"]] = row["value"]
        found: dict[Cell, dict[str, dict[str, float]]] = {}
        for (cell, seed, task), values in metrics.items():
            scoring = self._paper.task(task).given(values)
            if set(values) == set(scoring.metrics):
                found.setdefault(cell, {}).setdefault(seed, {})[task] = scoring.score(values)
        return found

    def _task(self, cell: Cell, task: str) -> dict[str, tuple[float, np.ndarray]]:
        """Score of a task and its draws [draws] by seed."""
        if (cell, task) not in self._tasks:
            folders = {seed: folder for (seed, name), folder in self.runs[cell].items() if name == task}
            self._tasks[cell, task] = {
                seed: self._drawn(cell, task, seed, folder) for seed, folder in folders.items()
            }
        return self._tasks[cell, task]

    def _drawn(self, cell: Cell, task: str, seed: str, folder: Path) -> tuple[float, np.ndarray]:
        import numpy as np

        path = folder / "predictions.jsonl"
        verify(path)
        answers = read_answers(task, self._paper.task(task), path)
        files = (task, *answers.parts)  # families may be asked other sets
        if files not in self._resamples:
            weights = resampling(self._place(task), [*answers.parts.values()], self._draws)
            self._resamples[files] = answers.keys, weights
        first, weights = self._resamples[files]
        if answers.keys != first:
            raise InputError(f"{path}: other examples than those of other runs; run the stage again")
        value = float(answers.scores(np.ones((1, answers.records)))[0])
        stored = self._scores[cell].get(seed, {}).get(task, value)
        if abs(value - stored) > _ROUNDING:
            raise InputError(
                f"{path}: these predictions score {value:.3f} on {task}, scores.csv has {stored:.3f}; "
                "collect the scores again"
            )
        return value, answers.scores(weights)

    def _place(self, task: str) -> int:
        return list(self._paper.tasks).index(task)


def trained_rows(results: Results) -> pd.DataFrame:
    """Scores of what was trained as its method says: no baseline, and nothing with a quirk switched."""
    rows = select(results.scores, protocol=PAPER)
    return rows[rows["role"].isin(_ROLES) & (rows["stage"] != "")]


def resampling(stream: int, parts: Sequence[int], draws: int) -> np.ndarray:
    """How often each record is in each draw, float64 [draws, records]; the same at every call.

    Args:
        stream: one a task.
        parts: numbers of records that are drawn from, each by itself, as many as there are.
        draws: how many.
    """
    import numpy as np

    random = np.random.default_rng([_SEED, stream])
    drawn = [random.multinomial(number, np.full(number, 1 / number), size=draws) for number in parts]
    return np.concatenate(drawn, axis=1).astype(float)
