"""How long teachers and students take for a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table
from retort.reporting.track_rows import family_of

if TYPE_CHECKING:
    import pandas as pd

_TITLES = (
    *("Parameters", "Batch", "Tokens read", "Tokens written", "Median ms", "10–90 %", "Rounds"),
    *("Of the teacher's", "Times as fast"),
)
_KINDS = {"classes": "classifies", "summarisation": "writes summaries", "translation": "writes translations"}
_NOTES = (
    "Time of a batch: median over the rounds after a warm-up, and the 10th and 90th percentile. All models "
    "of a family take turns in each round; the last columns are from the median ratio to the family's first "
    "teacher in the same round.",
    "Texts of full length, as many words written by every model, float32, without tokenising and metrics. "
    "The authors time a whole validation run, with both and without a warm-up, and divide by its examples; "
    "their times are not public to us.",
)


def speed(results: Results) -> Table:
    """Build the table; the data are those of the timing step."""
    rows = results.speed.to_dict("records")
    return Table(
        name="speed",
        title="Parameters and inference time of teachers and students",
        columns=(Column("Model"), Column("Task"), *(Column(title, right=True) for title in _TITLES)),
        lines=tuple(_line(row, results) for row in rows),
        data=_data(results),
        notes=(*_machines(rows), *_NOTES),
    )


def _line(row: dict[Any, Any], results: Results) -> Line:
    ratio = float(row["ratio_to_teacher"])
    texts = (
        f"{int(row['parameters']):,}",
        row["rows"],
        row["source"],
        row["target"],
        _milliseconds(row["median_ms"]),
        f"{_milliseconds(row['low_ms'])}–{_milliseconds(row['high_ms'])}",
        row["repeats"],
        f"{100 * ratio:.0f} %",
        f"{1 / ratio:.1f}",
    )
    cells = (Cell(row["model"]), Cell(_KINDS.get(row["task_kind"], row["task_kind"])), *map(Cell, texts))
    return Line(cells, family_of(results, row["track"]))


def _milliseconds(text: str) -> str:
    value = float(text)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machines(rows: list[dict[Any, Any]]) -> Iterator[str]:
    for row in {(row["machine"], row["device"], row["torch"]): row for row in rows}.values():
        yield f"Machine: {row['machine']} ({row['device']}), torch {row['torch']}."


def _data(results: Results) -> pd.DataFrame:
    return results.speed
