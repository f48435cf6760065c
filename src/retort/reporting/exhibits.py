"""The exhibits there are, by the names of their files, and what each is made of and from.

The one list of them: scripts make what it names, and the workflow reads from it which code and which files an
exhibit depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from retort.files import atomic_path, read_json
from retort.reporting import figure2, figure3, figure5, overview, style
from retort.reporting.ablations import table4, table5
from retort.reporting.claims_table import claims_table
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.table1 import table1
from retort.reporting.table2 import methods, table2
from retort.reporting.table3 import table3, table3_held_out
from retort.reporting.table6 import table6
from retort.reporting.table7 import table7
from retort.reporting.table8 import table8
from retort.reporting.table9 import table9
from retort.reporting.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


Made = TypeVar("Made")
SCORES, HYPER_PARAMETERS, CLAIMS = "scores", "hyper_parameters", "claims"


@dataclass(frozen=True)
class Exhibit(Generic[Made]):
    """How an exhibit is made, and from what besides the configuration.

    Attributes:
        make: makes it; a function with a name, so that its code can be told from that of others.
        of: what the run says: names of CSV files beside the exhibits.
        reads: files of the repository.
        logs: methods whose distances to the teacher it shows.
        text: whether it depends on the vocabulary, and on the words of all texts.
    """

    make: Callable[[Results], Made]
    of: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    text: Literal["none", "vocabulary", "all"] = "none"

    def __call__(self, results: Results) -> Made:
        """Make it."""
        return self.make(results)

    @property
    def code(self) -> str:
        """Where its code starts, as a root of fingerprints."""
        return f"{self.make.__module__}:{self.make.__qualname__}"


def printed(*tables: str) -> tuple[str, ...]:
    """Files with the paper's numbers."""
    return tuple(f"resources/paper/glmd/{table}.csv" for table in tables)


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


TABLES: dict[str, Exhibit[Table]] = {
    "table1": Exhibit(table1, reads=printed("table3")),
    "table2": Exhibit(
        table2, reads=(*printed("table2", "table3"), "config/scales/paper.yaml"), text="vocabulary"
    ),
    "table3": Exhibit(table3, (SCORES,), printed("table3"), text="vocabulary"),
    f"table3_{HELD_OUT}": Exhibit(table3_held_out, (SCORES,), printed("table3"), text="vocabulary"),
    "table4": Exhibit(table4, (SCORES,), printed("table4")),
    "table5": Exhibit(table5, (SCORES,), printed("table5")),
    "table6": Exhibit(table6, reads=printed("table3")),
    "table7": Exhibit(table7, (SCORES, HYPER_PARAMETERS), printed("table3", "table7_hparams")),
    "table8": Exhibit(table8, reads=printed("table8_hparams")),
    "table9": Exhibit(table9, (SCORES,), printed("table3", "table9"), text="vocabulary"),
    "claims": Exhibit(claims_table, (CLAIMS,)),
    "quirk_effects": Exhibit(quirk_effects, (SCORES,)),
}
FIGURES: dict[str, Exhibit[Drawing]] = {
    "overview": Exhibit(_overview, (SCORES,), printed("table3")),
    "figure2": Exhibit(_figure2, (SCORES,), printed("table3"), logs=figure2.METHODS),
    "figure3": Exhibit(_figure3, text="all"),
    "figure5": Exhibit(_figure5, (SCORES,), printed("table3"), logs=figure5.METHODS),
}
JUDGED = ("figure2", "figure3", "figure5")
"""Figures whose numbers claims are about."""
JUDGED_BY = printed("table3", "table4", "table5", "table9")
"""Files that claims are judged by, beside their ledger."""


def write_figure(results: Results, name: str, folder: Path) -> list[Path]:
    """Write ``<name>.png``, ``.svg`` and, with the plotted numbers, ``.csv``; returns the three paths."""
    return save_drawing(FIGURES[name](results), name, folder)


def save_drawing(drawing: Drawing, name: str, folder: Path) -> list[Path]:
    """Write the three files of a figure that was made."""
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
