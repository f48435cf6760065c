"""The exhibits there are, by the names of their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retort.files import atomic_path, read_json
from retort.reporting import figure2, figure3, figure5, overview, style
from retort.reporting.ablations import table4, table5
from retort.reporting.claims_table import claims_table
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.table1 import table1
from retort.reporting.table2 import methods, table2
from retort.reporting.table3 import table3
from retort.reporting.table6 import table6
from retort.reporting.table7 import table7
from retort.reporting.table8 import table8
from retort.reporting.table9 import table9
from retort.reporting.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure with the numbers it was drawn from and what to say below it."""

    title: str
    figure: Callable[[], Figure]
    data: pd.DataFrame
    caption: str


def _overview(results: Results) -> Drawing:
    data = overview.scores(results)
    return Drawing(overview.TITLE, lambda: overview.overview(data), data, overview.caption(results, data))


def _figure2(results: Results) -> Drawing:
    data = figure2.correlations(results)
    return Drawing(figure2.TITLE, lambda: figure2.figure2(data), data, figure2.caption(data))


def _figure3(results: Results) -> Drawing:
    data, kept = figure3.long_tail(results), kept_words(results)
    return Drawing(figure3.TITLE, lambda: figure3.figure3(data, kept), data, figure3.caption(data, kept))


def _figure5(results: Results) -> Drawing:
    data = figure5.correlations(results)
    return Drawing(figure5.TITLE, lambda: figure5.figure5(data), data, figure5.caption(data))


TABLES: dict[str, Callable[[Results], Table]] = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    f"table3_{HELD_OUT}": lambda results: table3(results, HELD_OUT),
    "table4": table4,
    "table5": table5,
    "table6": table6,
    "table7": table7,
    "table8": table8,
    "table9": table9,
    "claims": claims_table,
    "quirk_effects": quirk_effects,
}
FIGURES: dict[str, Callable[[Results], Drawing]] = {
    "overview": _overview,
    "figure2": _figure2,
    "figure3": _figure3,
    "figure5": _figure5,
}


def write_figure(results: Results, name: str, folder: Path) -> list[Path]:
    """Write ``<name>.png``, ``.svg`` and, with the plotted numbers, ``.csv``; returns the three paths."""
    drawing = FIGURES[name](results)
    numbers = folder / f"{name}.csv"
    with atomic_path(numbers) as temporary:
        drawing.data.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return [*style.save(drawing.figure(), folder, name), numbers]


def kept_words(results: Results) -> int | None:
    """Rank (without command tokens) where a compressed vocabulary ends; ``None`` where none is used."""
    from retort.data.tokenizer import COMMANDS
    from retort.distill.vocabulary import kept_size

    used = [method for method in methods(results.paper) if method.name in results.config.methods]
    ratios = [method.compression.ratio for method in used if method.compression is not None]
    if not ratios:
        return None
    tokens: int = read_json(results.text_folder() / "summary.json")["vocabulary"]
    return min(kept_size(ratios[0], tokens, results.config.compression.multiple_of), tokens) - len(COMMANDS)
