"""Tables 4 and 5: a method with one thing changed, beside the method itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.recipes.glmd_variants import VARIANTS, Variant
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.scores import PAPER, averages, select
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table, slug

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("row", "of", "method", "changed", "value", "value_chosen", "pair", "mean", "sd", "n"),
    *("difference", "difference_sd", "difference_n", "paper", "paper_difference"),
)
_SCORE = 2  # place of the score among the columns that people see
_SIZES = {"GLMD-vc": "baseline GLMD-vc", "GLMD": "baseline GLMD (alpha=0.5)"}


@dataclass(frozen=True)
class Ablation:
    """One row: a variant, or (``variant`` is ``None``) the method that others vary.

    Attributes:
        of: the varied method.
        scores: SuperGLUE score by seed; ``base``: of the varied method.
        pair: where it ran; empty if it did not.
        paper, paper_base: the scores that the paper prints.
    """

    of: str
    variant: Variant | None
    scores: dict[str, float]
    base: dict[str, float]
    pair: str
    paper: float | None
    paper_base: float | None

    @property
    def method(self) -> str:
        """Name of the method that was trained."""
        return self.of if self.variant is None else self.variant.method.name

    @property
    def summary(self) -> Summary:
        """Over the seeds."""
        return summarise(list(self.scores.values()))

    @property
    def difference(self) -> Summary:
        """To the varied method, over the seeds that both have."""
        if self.variant is None:
            return summarise([])
        return summarise([self.scores[seed] - self.base[seed] for seed in self.scores if seed in self.base])

    @property
    def paper_difference(self) -> float | None:
        """The same between the paper's numbers."""
        if self.variant is None or self.paper is None or self.paper_base is None:
            return None
        return self.paper - self.paper_base


def table4(results: Results) -> Table:
    """Component ablations."""
    return _table(results, "table4", "GLMD with one component changed")


def table5(results: Results) -> Table:
    """Hyper-parameters of GLMD."""
    return _table(results, "table5", "Hyper-parameters of GLMD: temperatures, batch size, kept vocabulary")


def ablations(results: Results, table: str) -> list[Ablation]:
    """All rows of an ablation table, each group after the method that it varies."""
    rows = [variant for variant in VARIANTS if variant.table == table]
    found = []
    for of in dict.fromkeys(variant.of for variant in rows):
        group = [variant for variant in rows if variant.of == of]
        pairs = {pair for v in group for pair in select(results.scores, method=v.method.name)["pair"]}
        pair = min(pairs, default="")
        base = _by_seed(results, of, pair)
        printed = _printed(results, table)
        paper_base = _paper_base(results, table, of)
        found.append(Ablation(of, None, base, base, pair if base else "", paper_base, paper_base))
        for variant in group:
            scores = _by_seed(results, variant.method.name, pair)
            paper = printed.get(variant.row)
            found.append(Ablation(of, variant, scores, base, pair if scores else "", paper, paper_base))
    return found


def _by_seed(results: Results, method: str, pair: str) -> dict[str, float]:
    rows = select(results.scores, method=method, pair=pair, protocol=PAPER)
    return averages(rows, results.config.tasks).by_seed


def _printed(results: Results, table: str) -> dict[int, float]:
    """The paper's scores by the number of the row."""
    rows = results.published_table(table).to_dict("records")
    return {int(row["paper_row"]): float(row["superglue_avg"]) for row in rows if row["paper_row"]}


def _paper_base(results: Results, table: str, of: str) -> float | None:
    """The paper's score of the varied method, as the ablation table repeats it."""
    column, name = ("variant", of) if table == "table4" else ("description", _SIZES[of])
    rows = results.published_table(table)
    found = rows[rows[column] == name]["superglue_avg"]
    return float(found.iloc[0]) if len(found) else None


def _table(results: Results, name: str, title: str) -> Table:
    rows = ablations(results, name)
    titles = (
        *(("Change", False), ("Value", True), ("SuperGLUE", True), ("Difference", True), ("Seeds", True)),
        *(("Paper", True), ("Paper's difference", True)),
    )
    return Table(
        name=name,
        title=title,
        columns=tuple(Column(text, right) for text, right in titles),
        lines=tuple(_line(row) for row in rows),
        data=_data(rows),
        notes=tuple(_notes(results, rows)),
    )


def _line(row: Ablation) -> Line:
    variant, ran = row.variant, bool(row.scores)
    value = "" if variant is None or variant.value is None else f"{variant.value:g}"
    texts = (
        "unchanged" if variant is None else variant.changed,
        value + (" *" if variant is not None and variant.chosen else ""),
        row.summary.text if ran else "not run at this scale",
        row.difference.signed_text,
        str(row.summary.n) if ran else "",
        "" if row.paper is None else f"{row.paper:.1f}",
        Summary(row.paper_difference, None, 1).signed_text,
    )
    group = f"{row.of} {row.pair}".strip()
    runs = f"#{slug('run', row.method, row.pair)}" if ran else None
    cells = (Cell(text, runs if place == _SCORE else None) for place, text in enumerate(texts))
    return Line(tuple(cells), group, "ours" if ran else "not_run")


def _data(rows: list[Ablation]) -> pd.DataFrame:
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in rows:
        variant, difference = row.variant, row.difference
        records.append(
            {
                "row": None if variant is None else variant.row,
                "of": row.of,
                "method": row.method,
                "changed": "" if variant is None else variant.changed,
                "value": None if variant is None else variant.value,
                "value_chosen": variant is not None and variant.chosen,
                "pair": row.pair,
                "mean": _rounded(row.summary.mean),
                "sd": _rounded(row.summary.sd),
                "n": row.summary.n,
                "difference": _rounded(difference.mean),
                "difference_sd": _rounded(difference.sd),
                "difference_n": difference.n,
                "paper": row.paper,
                "paper_difference": _rounded(row.paper_difference),
            }
        )
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"row": "Int64"})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _notes(results: Results, rows: list[Ablation]) -> Iterator[str]:
    seeds = sorted({seed for row in rows if row.variant is not None for seed in row.scores}, key=int)
    if seeds:
        plural = "s" if len(seeds) > 1 else ""
        yield f"Ablations ran with seed{plural} {', '.join(seeds)}; a difference is taken seed by seed."
    yield from protocol_notes(results, PAPER)
    if any(row.variant is not None and row.variant.chosen for row in rows):
        yield (
            "* The paper prints the scores of this sweep, not the values behind them: the values are ours, "
            "the paper's scores stand in its order, and the two scores of a line need not belong together."
        )
    if any(row.variant is not None and "of 64" in row.variant.changed for row in rows):
        yield "Batch sizes are in the paper's terms: 32 is half of the scale's own batch, for as many steps."
