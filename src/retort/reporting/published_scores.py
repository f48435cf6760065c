"""A paper's own scores, where they are known: result tables of some papers are not public."""

from __future__ import annotations

from collections.abc import Mapping

from retort.errors import InputError
from retort.reporting.results import Results

FILE = "scores"
COLUMNS = ("student", "method", "task", "metric", "value")
UNKNOWN = (
    "Empty cells marked “–” under “paper”: the paper's result tables are not public to us, and no number is "
    "filled in for what nobody can check."
)


def published_scores(results: Results) -> Mapping[tuple[str, ...], str]:
    """What the paper prints, by student (``3x640``; or ``teacher``), method, task and metric.

    Raises:
        InputError: the file lacks a column or repeats a cell.
    """
    table = results.published_table(FILE)
    lacking = [name for name in COLUMNS if name not in table.columns]
    place = results.published / results.paper / f"{FILE}.csv"
    if lacking:
        raise InputError(f"{place}:1: column {lacking[0]!r} is missing; the columns are {', '.join(COLUMNS)}")
    found: dict[tuple[str, ...], str] = {}
    for line, row in enumerate(table.to_dict("records"), start=2):
        key = tuple(row[name] for name in COLUMNS[:-1])
        if key in found:
            raise InputError(f"{place}:{line}: a second value for {', '.join(key)}; keep one of them")
        found[key] = row["value"]
    return found
