"""Figure 5c: ATKD beside other remedies for a teacher that is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.recipes.atkd import ADAPTIVE, REMEDIES, STOPPED_AFTER, SUPERVISED
from retort.reporting.atkd.main_table import rounded
from retort.reporting.atkd.rows import family_rows, group_of
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.scores import PAPER
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table
from retort.reporting.track_rows import TrackRow, family_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("family", "teacher", "student", "method", "pair", "mean", "sd", "n"),
    *("gain", "gain_sd", "gain_n", "atkd_better_by", "atkd_better_by_sd"),
)
METHODS = tuple(method.name for method in (SUPERVISED, ADAPTIVE[0], *REMEDIES))
NOTHING = "No other remedy than ATKD was run at this scale."
_NOTES = (
    "All learn on the data's answers. Gain: to supervised KD by the same teacher; the other difference is "
    "that of ATKD to the row. Both are means over the seeds that both have. Average: the mean over the sets.",
    f"Early-stopped: the teacher was fine-tuned for {STOPPED_AFTER} of its epochs, rounded up, by a schedule "
    "as short. Assistant: the model between the two in the pair; it learns as the student does, with its "
    "seed. When the paper stopped its teacher and which assistant it took is not known to us.",
)


@dataclass(frozen=True)
class Compared:
    """A remedy, and how it compares with supervised KD and with ATKD; ``None``: it is that, or none ran."""

    row: TrackRow
    gain: Summary | None
    better_by: Summary | None

    @property
    def numbers(self) -> tuple[float | int | None, ...]:
        """As the file has them."""
        score, none = self.row.average().summary, Summary(None, None, 0)
        gain, better = self.gain or none, self.better_by or none
        return (
            *(rounded(score.mean), rounded(score.sd), score.n),
            *(rounded(gain.mean), rounded(gain.sd), gain.n),
            *(rounded(better.mean), rounded(better.sd)),
        )


def remedies(results: Results) -> Table:
    """Build the table: the remedies on each teacher and student on which any but ATKD ran."""
    found = list(_compared(results))
    return Table(
        name="remedies",
        title="ATKD and other remedies for a teacher that is too large",
        columns=(
            *map(Column, ("Method", "Pair")),
            *(Column(title, right=True) for title in ("Average", "Gain", "ATKD is better by", "Seeds")),
        ),
        lines=tuple(_line(one) for one in found),
        data=_data(results, found),
        notes=(*protocol_notes(results, PAPER), *_NOTES) if found else (NOTHING,),
    )


def _compared(results: Results) -> Iterator[Compared]:
    for track in results.tracks:
        by_ends: dict[tuple[str, str], list[TrackRow]] = {}
        for row in family_rows(results, track):
            if row.role == "student" and row.method in METHODS:
                by_ends.setdefault((row.teacher, row.model), []).append(row)
        for rows in by_ends.values():
            if any(row.method not in METHODS[:2] for row in rows):
                yield from _beside(sorted(rows, key=lambda row: METHODS.index(row.method)))


def _beside(rows: Sequence[TrackRow]) -> Iterator[Compared]:
    plain, adaptive = (next((row for row in rows if row.method == name), None) for name in METHODS[:2])
    for row in rows:
        yield Compared(row, _difference(row, plain), _difference(adaptive, row))


def _difference(higher: TrackRow | None, lower: TrackRow | None) -> Summary | None:
    """Of mean scores, over the seeds that both have."""
    if higher is None or lower is None or higher == lower:
        return None
    after, before = higher.average().by_seed, lower.average().by_seed
    return summarise([after[seed] - before[seed] for seed in after if seed in before])


def _line(one: Compared) -> Line:
    score = one.row.average().summary
    texts = ["" if part is None else part.signed_text for part in (one.gain, one.better_by)]
    cells = (
        Cell(one.row.method),
        Cell(one.row.pair),
        Cell(score.text or "incomplete", one.row.address()),
        *map(Cell, texts),
        Cell(str(score.n)),
    )
    return Line(cells, group_of(one.row))


def _data(results: Results, found: Sequence[Compared]) -> pd.DataFrame:
    import pandas as pd

    records: list[tuple[Any, ...]] = [
        (
            family_of(results, one.row.track),
            *(one.row.teacher, one.row.model, one.row.method, one.row.pair),
            *one.numbers,
        )
        for one in found
    ]
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"n": "Int64", "gain_n": "Int64"})
