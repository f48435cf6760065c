"""How responses end, how long they are and how they repeat: what the overlap with references hides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from retort.data.instructions.sets import spec_of
from retort.reporting.atkd.main_table import rounded
from retort.reporting.atkd.rows import family_rows, group_of
from retort.reporting.atkd.runs import reported
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.scores import PAPER
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table
from retort.reporting.track_rows import TrackRow, family_of

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "rougeL": "ROUGE-L", "ends": "Ended, %", "length": "Length", "distinct1": "Distinct-1",
    "distinct2": "Distinct-2", "teacher_nll": "The teacher's loss", "clm": "Loss of the reference",
    "kl": "KL from the teacher",
}  # fmt: skip
"""Columns by what an evaluation calls them."""
_HEAD = ("family", "role", "method", "pair", "n")
_DECIMALS = {"rougeL": 1, "ends": 0}
_OF_SETS = ("rougeL", "ends", "length", "distinct1", "distinct2", "teacher_nll")
_NOTES = (
    "Mean over the sets of open questions ({sets}), at the evaluation that the scores are from. Ended: "
    "responses that came to an end before the limit; the authors' students never learn where to. Length: "
    "words over those of the references. Distinct-n: different n-grams over all of a set's. The teacher's "
    "loss: of the student's responses, per word of them.",
    "Losses of references, and KL: per word of all references, cross-entropy and the KL of the student's "
    "words from its teacher's.",
)


def answers(results: Results) -> Table:
    """Build the table; the data have the columns ``family, role, method, pair, n``, and each measure."""
    rows = [row for name in results.tracks for row in family_rows(results, name)]
    found = [(row, dict(_measured(row))) for row in rows]
    sets = dict.fromkeys(name for row in rows for name in open_sets(row))
    notes = [note.format(sets=", ".join(sets) or "none at this scale") for note in _NOTES]
    return Table(
        name="answers",
        title="How responses end, how long they are and how they repeat",
        columns=(
            Column("Method"), Column("Pair"), *(Column(title, right=True) for title in MEASURES.values())
        ),
        lines=tuple(_line(row, measured) for row, measured in found),
        data=_data(found),
        notes=(*protocol_notes(results, PAPER), *notes),
    )  # fmt: skip


def open_sets(row: TrackRow) -> tuple[str, ...]:
    """The sets of open questions of a row's family."""
    settings = row.results.tracks[row.track].instructions
    return () if settings is None else tuple(s for s in settings.sets if spec_of(s).role == "generation")


def _measured(row: TrackRow) -> Iterator[tuple[str, Summary]]:
    """Each measure over the seeds whose runs recorded it."""
    runs = [dict(_of_run(evaluation, open_sets(row))) for _, evaluation in reported(row)]
    for name in MEASURES:
        yield name, summarise([run[name] for run in runs if name in run])


def _of_run(evaluation: Mapping[str, Any], sets: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    told, scores = evaluation.get("losses", {}), evaluation["all"]
    for name in _OF_SETS:
        values = [
            scores[one] if spec_of(one).metric == name else told.get(f"{one}:{name}")
            for one in sets
            if one in scores
        ]
        known = [value for value in values if value is not None]
        if known:
            yield name, fmean(known)
    for name in ("clm", "kl"):
        if name in told:
            yield name, told[name]


def _line(row: TrackRow, measured: Mapping[str, Summary]) -> Line:
    texts = [_text(summary, _DECIMALS.get(name, 2)) for name, summary in measured.items()]
    return Line((Cell(row.method), Cell(row.pair), *map(Cell, texts)), group_of(row))


def _text(summary: Summary, decimals: int) -> str:
    if summary.mean is None:
        return ""
    spread = "" if summary.sd is None else f" ± {summary.sd:.{decimals}f}"
    return f"{summary.mean:.{decimals}f}{spread}"


def _data(found: list[tuple[TrackRow, dict[str, Summary]]]) -> pd.DataFrame:
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row, measured in found:
        seeds = max(summary.n for summary in measured.values())
        head = (family_of(row.results, row.track), row.role, row.method, row.pair, seeds)
        numbers: dict[str, Any] = dict(zip(_HEAD, head, strict=True))
        for name, summary in measured.items():
            numbers |= {name: rounded(summary.mean), f"{name}_sd": rounded(summary.sd)}
        records.append(numbers)
    columns = [*_HEAD, *(f"{name}{end}" for name in MEASURES for end in ("", "_sd"))]
    return pd.DataFrame(records, columns=columns)
