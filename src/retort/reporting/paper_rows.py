"""The rows of each paper's main table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retort.reporting.results import Results
from retort.reporting.rows import Scored, table_rows
from retort.reporting.track_rows import student_rows

_MAKERS: dict[str, Callable[[Results], Sequence[Scored]]] = {
    "glmd": table_rows,
    "cka": student_rows,
    "atkd": student_rows,
}


def rows_of(results: Results) -> Sequence[Scored]:
    """Baselines, teachers and students of a paper, in the order of its tables."""
    return _MAKERS[results.paper](results)
