"""Effects as the paper's numbers give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retort.claims.kinds import (
    AVERAGE,
    BASELINES,
    WITHOUT_RECORD,
    BestOf,
    Cell,
    Comparison,
    Count,
    Greater,
    NoWorse,
    Trend,
)
from retort.data.superglue.tasks import SPECS, TASKS
from retort.recipes.glmd_variants import VARIANTS

if TYPE_CHECKING:
    from retort.reporting.results import Results

_ROWS = {variant.method.name: (variant.table, str(variant.row)) for variant in VARIANTS}
"""Where the paper prints the score of a variant."""
_PRINTED = "glmd"
"""Of the other papers no table of results is known to us."""


@dataclass(frozen=True)
class Printed:
    """A score and with how many decimals it is printed."""

    value: float
    decimals: int


class PaperScores:
    """The paper's scores by cell.

    Args:
        results: knows the folder with the numbers.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def rivals(self, test: BestOf) -> tuple[Cell, ...]:
        """The rows that ``best`` is compared with.

        Raises:
            InputError: ``baselines`` of a paper whose table is not known here.
        """
        if test.rest != BASELINES:
            return tuple(cell for cell in test.rest if isinstance(cell, Cell))
        rows = self._results.published_table("table3").to_dict("records")
        return tuple(
            Cell(method=row["method"], pair=row["config"])
            for row in rows
            if row["section"] == "single_teacher"
            and row["config"] == test.best.pair
            and not row["method"].startswith("GLMD")
        )

    def score(self, cell: Cell, scope: str) -> Printed | None:
        """The printed score of a cell, ``None`` where there is none."""
        if cell.method in _ROWS:
            return self._variant(*_ROWS[cell.method]) if scope == AVERAGE else None
        row = self._main.get((cell.method, cell.pair))
        if row is None:
            return None
        if scope == AVERAGE:
            return Printed(float(row["avg_reported"]), 2)
        tasks = [task for task in TASKS if task != "ReCoRD"] if scope == WITHOUT_RECORD else [scope]
        found = [_mean([row[column] for column in _columns(task)]) for task in tasks]
        whole = [value for value in found if value is not None]
        return Printed(sum(whole) / len(whole), 2) if len(whole) == len(tasks) else None

    def effect(self, test: Comparison) -> float | None:
        """The effect that the paper's numbers show, by the same rule as a run's effect.

        ``None`` where a score is not printed, and for a paper of which no table of results is known here.
        """
        if self._results.paper != _PRINTED:
            return None
        cells = self._compared(test)
        found = [self.score(cell, test.score) for cell in cells]
        printed = [score for score in found if score is not None]
        if len(printed) < len(found):
            return None
        decimals = min(score.decimals for score in printed)
        return _effect(test, [round(score.value, decimals) for score in printed], decimals)

    def _compared(self, test: Comparison) -> tuple[Cell, ...]:
        if isinstance(test, Greater):
            return test.higher, test.lower
        if isinstance(test, NoWorse):
            return test.cell, test.reference
        if isinstance(test, BestOf):
            return test.best, *self.rivals(test)
        if isinstance(test, Trend):
            return test.rising
        if isinstance(test, Count):
            return tuple(cell for pair in test.comparisons for cell in pair)
        return test.reference, *test.cells

    @cached_property
    def _main(self) -> dict[tuple[str, str], dict[str, str]]:
        rows = self._results.published_table("table9").to_dict("records")
        return {(str(row["method"]).replace(" (teacher)", ""), str(row["config"])): row for row in rows}  # type: ignore[misc]

    def _variant(self, table: str, row: str) -> Printed:
        rows = self._results.published_table(table).to_dict("records")
        return Printed(float(next(r["superglue_avg"] for r in rows if r["paper_row"] == row)), 1)


def slope_weights(number: int) -> list[float]:
    """Weights that make a least-squares slope of as many values in even steps."""
    middle = (number - 1) / 2
    squares = sum((place - middle) ** 2 for place in range(number))
    return [(place - middle) / squares for place in range(number)]


def _effect(test: Comparison, values: Sequence[float], decimals: int) -> float:
    first, rest = values[0], values[1:]
    if isinstance(test, Count):
        return float(sum(a > b for a, b in zip(values[::2], values[1::2], strict=True)))
    if isinstance(test, Trend):
        slope = sum(w * v for w, v in zip(slope_weights(len(values)), values, strict=True))
        return round(slope, decimals)
    if isinstance(test, BestOf):
        return round(first - max(rest), decimals)
    if isinstance(test, Greater | NoWorse):
        return round(first - rest[0], decimals)
    changes = [value - first for value in rest]
    largest = max(changes, key=abs)
    return round(largest, decimals)


def _columns(task: str) -> list[str]:
    return [f"{task.lower()}_{'acc' if metric == 'accuracy' else metric}" for metric in SPECS[task].metrics]


def _mean(texts: Sequence[str]) -> float | None:
    return sum(map(float, texts)) / len(texts) if all(texts) else None
