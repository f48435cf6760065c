"""The table of a paper's methods on transformers models: what it needs of any such paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from retort.plan import Plan
from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table, title_of
from retort.reporting.track_rows import family_of
from retort.tracks import TrackPlan


@dataclass(frozen=True)
class Layout:
    """How a paper shows its methods.

    Attributes:
        title: of the table.
        columns: behind that of the family.
        wrap: widths of columns of long texts.
        notes: below the table.
    """

    title: str
    columns: tuple[str, ...]
    wrap: Mapping[str, int]
    notes: tuple[str, ...]


def methods_table(
    results: Results, layout: Layout, lines_of: Callable[[TrackPlan], Iterable[Iterable[str]]]
) -> Table:
    """Build the table, a group of lines for each family; its data are what it shows.

    Args:
        results: of one paper.
        layout: of the table.
        lines_of: what a track's lines say, column by column.
    """
    import pandas as pd

    plan = Plan(results.config)
    lines = [
        (family_of(results, name), *fields)
        for name in results.tracks
        for fields in lines_of(TrackPlan(plan, results.paper, name))
    ]
    return Table(
        name="methods",
        title=layout.title,
        columns=tuple(Column(title_of(name), wrap=layout.wrap.get(name, 0)) for name in layout.columns),
        lines=tuple(Line(tuple(map(Cell, fields)), family) for family, *fields in lines),
        data=pd.DataFrame(lines, columns=["family", *layout.columns]),
        notes=layout.notes,
    )
