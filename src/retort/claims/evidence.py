"""What a run says about a score: its value, and draws of what it might as well have been.

A score varies for two reasons: the dev examples are a sample, and so is the training seed. Each draw
resamples both at once. Examples: the records of the dev file are drawn with replacement, the same ones for
every row, as all are scored on the same file; the official metrics are computed anew from the draw. Seeds:
the mean over seeds moves by what a moderated variance allows (:mod:`retort.claims.spreads`), independently
for each row. Seeds are not paired: rows that share a seed tend to move together, which makes their
difference vary less, so intervals are rather too wide than too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retort.claims.ledger import WITHOUT_RECORD, Cell
from retort.claims.spreads import Pool, Spread, pool
from retort.claims.tallies import read_predictions, tally, task_scores
from retort.data.superglue.tasks import SPECS, TASKS
from retort.errors import InputError
from retort.evaluation.metrics import task_score
from retort.files import digest_of, verify
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
        self._draws = draws
        self._tasks: dict[tuple[Cell, str], dict[str, tuple[float, np.ndarray]]] = {}
        self._samples: dict[tuple[Cell, str], Sample | None] = {}
        self._pools: dict[str, Pool | None] = {}
        self._resamples: dict[str, tuple[list[str], np.ndarray]] = {}

    def sample(self, cell: Cell, scope: str) -> Sample | None:
        """The score of a cell; ``None`` where no seed has all tasks of the scope.

        Raises:
            InputError: predictions are missing or are not those behind the scores.
        """
        if (cell, scope) not in self._samples:
            self._samples[cell, scope] = self._sample(cell, scope)
        return self._samples[cell, scope]

    def tasks(self, scope: str) -> tuple[str, ...]:
        """The tasks of this run that a scope averages."""
        if scope in TASKS:
            return (scope,)
        without = "ReCoRD" if scope == WITHOUT_RECORD else None
        return tuple(task for task in self._results.config.tasks if task != without)

    def pool(self, scope: str) -> Pool | None:
        """What all rows of the run say about the variance of this score between seeds."""
        if scope not in self._pools:
            rows = [list(self._by_seed(cell, scope).values()) for cell in self._runs]
            self._pools[scope] = pool(rows)
        return self._pools[scope]

    def _sample(self, cell: Cell, scope: str) -> Sample | None:
        import numpy as np

        values = self._by_seed(cell, scope)
        if not values:
            return None
        tasks = self.tasks(scope)
        drawn = [[self._task(cell, task)[seed][1] for task in tasks] for seed in values]
        known = self.pool(scope)
        spread = None if known is None else known.spread(list(values.values()))
        shifts = np.zeros(self._draws)
        if spread is not None:
            random = np.random.default_rng([_SEED, int(digest_of([cell.method, cell.pair, scope]), 16)])
            shifts = random.standard_t(spread.freedom, self._draws) * np.sqrt(spread.variance / len(values))
        mean = float(np.mean(list(values.values())))
        return Sample(mean, np.mean(drawn, axis=(0, 1)), shifts, spread, len(values))

    def _by_seed(self, cell: Cell, scope: str) -> dict[str, float]:
        """Score of each seed that has all tasks of the scope."""
        found = self._scores.get(cell, {})
        tasks = self.tasks(scope)
        return {
            seed: sum(by_task[task] for task in tasks) / len(tasks)
            for seed, by_task in found.items()
            if tasks and all(task in by_task for task in tasks)
        }

    @cached_property
    def _runs(self) -> dict[Cell, dict[tuple[str, str], Path]]:
        """Folder of the scored run by seed and task, of every cell that was trained."""
        found: dict[Cell, dict[tuple[str, str], Path]] = {}
        for row in trained_rows(self._results).to_dict("records"):
            cell = Cell(method=row["method"], pair=row["pair"])
            folder = self._results.run(row["stage"], row["run"])
            found.setdefault(cell, {})[row["seed"], row["task"]] = folder
        return found

    @cached_property
    def _scores(self) -> dict[Cell, dict[str, dict[str, float]]]:
        """Score by cell, seed and task, paired metrics averaged."""
        metrics: dict[tuple[Cell, str, str], dict[str, float]] = {}
        for row in trained_rows(self._results).to_dict("records"):
            cell = Cell(method=row["method"], pair=row["pair"])
            metrics.setdefault((cell, row["seed"], row["task"]), {})[row["metric"]] = row["value"]
        found: dict[Cell, dict[str, dict[str, float]]] = {}
        for (cell, seed, task), values in metrics.items():
            if set(values) == set(SPECS[task].metrics):
                found.setdefault(cell, {}).setdefault(seed, {})[task] = task_score(task, values)
        return found

    def _task(self, cell: Cell, task: str) -> dict[str, tuple[float, np.ndarray]]:
        """Score of a task and its draws [draws] by seed."""
        if (cell, task) not in self._tasks:
            folders = {seed: folder for (seed, name), folder in self._runs[cell].items() if name == task}
            self._tasks[cell, task] = {
                seed: self._drawn(cell, task, seed, folder) for seed, folder in folders.items()
            }
        return self._tasks[cell, task]

    def _drawn(self, cell: Cell, task: str, seed: str, folder: Path) -> tuple[float, np.ndarray]:
        path = folder / "predictions.jsonl"
        verify(path)
        predictions = read_predictions(task, path)
        sums = tally(task, predictions)
        keys = [item.key for item in predictions]
        if task not in self._resamples:
            self._resamples[task] = keys, resampling(task, len(sums), self._draws)
        first, weights = self._resamples[task]
        if keys != first:
            raise InputError(f"{path}: other examples than those of other runs; run the stage again")
        value = float(task_scores(task, sums.sum(0)))
        stored = self._scores[cell].get(seed, {}).get(task, value)
        if abs(value - stored) > _ROUNDING:
            raise InputError(
                f"{path}: these predictions score {value:.3f} on {task}, scores.csv has {stored:.3f}; "
                "collect the scores again"
            )
        return value, task_scores(task, weights @ sums)


def trained_rows(results: Results) -> pd.DataFrame:
    """Scores of what was trained as its method says: no baseline, and nothing with a quirk switched."""
    rows = select(results.scores, protocol=PAPER)
    return rows[rows["role"].isin(_ROLES) & (rows["stage"] != "")]


def resampling(task: str, records: int, draws: int) -> np.ndarray:
    """How often each record is in each draw, float64 [draws, records]; the same at every call."""
    import numpy as np

    random = np.random.default_rng([_SEED, TASKS.index(task)])
    return random.multinomial(records, np.full(records, 1 / records), size=draws).astype(float)
