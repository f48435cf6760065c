"""Section 2: which words, and which part of KL, a student learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from retort.recipes.atkd import SUPERVISED
from retort.recipes.atkd_variants import ANALYSIS
from retort.reporting.atkd.main_table import rounded
from retort.reporting.atkd.rows import alone_or_varied
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.rows import Scored
from retort.reporting.scores import PAPER
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table
from retort.reporting.track_rows import family_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("family", "pair", "words", "part", "method", "mean", "sd", "n", "difference", "difference_sd")
WORDS = ("all words", "hard words alone", "easy words alone")
PARTS = ("KL", "both parts, unweighted", "target part alone", "part of the others alone")
_KL, _BOTH, _TARGET, _OTHERS = PARTS
_BY_NAME = {
    "": ("all words", _KL),
    "parts": ("all words", _BOTH),
    "target": ("all words", _TARGET),
    "others": ("all words", _OTHERS),
    "hard": ("hard words alone", _KL),
    "hard-target": ("hard words alone", _TARGET),
    "hard-others": ("hard words alone", _OTHERS),
    "easy": ("easy words alone", _KL),
    "easy-target": ("easy words alone", _TARGET),
    "easy-others": ("easy words alone", _OTHERS),
}
PLACES = {
    method: _BY_NAME[method.removeprefix(SUPERVISED.name).strip()]
    for method in (SUPERVISED.name, *(variant.method.name for variant in ANALYSIS))
}
"""Words and part of KL by method."""
NOT_RUN = "not run"
NOTHING = "None of this was run at this scale (variants of a track)."
_NOTES = (
    "Supervised KD with one thing changed, on the data's answers: at which words it compares, and which part "
    "of KL. KL is the target part and, weighted by the teacher's uncertainty, the part of the others. Hard: "
    "the half of the words of a batch that the teacher is least certain of.",
    "In brackets: the difference to KL at all words, over the seeds that both have.",
)


def parts(results: Results) -> Table:
    """Build the table: words down, parts across; the data have one row for each cell that was run."""
    found = dict(_pairs(results))
    lines = [
        Line((Cell(words), *(_cell(cells, words, part) for part in PARTS)), f"{family}: {pair}")
        for (family, pair), cells in found.items()
        for words in WORDS
    ]
    return Table(
        name="parts",
        title="Which words and which part of KL a student learns from",
        columns=(Column("Compared at"), *(Column(part, right=True) for part in PARTS)),
        lines=tuple(lines),
        data=_data(found),
        notes=(*protocol_notes(results, PAPER), *_NOTES) if found else (NOTHING,),
    )


Cells = dict[tuple[str, str], Scored]
"""Rows by words and part of KL."""


def _pairs(results: Results) -> Iterator[tuple[tuple[str, str], Cells]]:
    """The cells of each family and pair on which any ablation ran."""
    for track in results.tracks:
        by_pair: dict[str, Cells] = {}
        for (method, pair), row in alone_or_varied(results, track).items():
            if method in PLACES:
                by_pair.setdefault(pair, {})[PLACES[method]] = row
        for pair, cells in by_pair.items():
            if cells.keys() - {PLACES[SUPERVISED.name]}:
                yield (family_of(results, track), pair), cells


def _difference(cells: Cells, place: tuple[str, str]) -> Summary:
    """To KL at all words, over the seeds that both have."""
    plain = cells.get(PLACES[SUPERVISED.name])
    before = {} if plain is None else plain.average().by_seed
    after = cells[place].average().by_seed
    return summarise([after[seed] - before[seed] for seed in after if seed in before])


def _cell(cells: Cells, words: str, part: str) -> Cell:
    place = (words, part)
    if place not in PLACES.values():
        return Cell()
    if place not in cells:
        return Cell(NOT_RUN)
    row, difference = cells[place], _difference(cells, place)
    alone = place == PLACES[SUPERVISED.name] or not difference.n
    against = "" if alone else f" ({difference.signed_text})"
    return Cell(row.average().summary.text + against, row.address())


def _data(found: dict[tuple[str, str], Cells]) -> pd.DataFrame:
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for (family, pair), cells in found.items():
        for (words, part), row in cells.items():
            score, difference = row.average().summary, _difference(cells, (words, part))
            numbers = (rounded(score.mean), rounded(score.sd), score.n)
            against = (rounded(difference.mean), rounded(difference.sd))
            records.append((family, pair, words, part, row.method, *numbers, *against))
    return pd.DataFrame(records, columns=list(COLUMNS))
