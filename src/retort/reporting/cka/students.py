"""Every student beside its teacher in one number: the mean over the data sets of its family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from retort.papers import paper_of
from retort.reporting.cka.by_data_set import SHORT, heading
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.tables import NEAR, Cell, Column, Line, Table
from retort.reporting.track_rows import TrackRow, family_of, near, student_rows, teacher_score

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("section", "method", "pair", "student_params", "metric", "mean", "sd", "n", "paper")
METRIC = "mean of leading metrics"
_TITLES = ("Parameters", "Score", "Of its teacher", "Held out", "Seeds")


def students(results: Results) -> Table:
    """Build the table.

    The data have the columns ``section, method, pair, student_params, metric, mean, sd, n, paper``.
    """
    rows = student_rows(results)
    return Table(
        name="students",
        title="Every student beside its teacher",
        columns=(Column("Method"), Column("Pair"), *(Column(title, right=True) for title in _TITLES)),
        lines=tuple(_line(row, rows) for row in rows),
        data=_data(rows),
        notes=tuple(_notes(results, rows)),
    )


def _line(row: TrackRow, rows: Sequence[TrackRow]) -> Line:
    texts = []
    for protocol in (PAPER, HELD_OUT):
        text = row.average(protocol).summary.text or "incomplete"
        texts.append(Cell(text + (NEAR if near(row, rows, protocol) else ""), row.address()))
    score, teacher = row.average().summary, teacher_score(rows, row)
    share = ""
    if row.role == "student" and score.mean is not None and teacher:
        share = f"{100 * score.mean / teacher:.0f} %"
    return Line(
        cells=(
            Cell(row.method),
            Cell(row.pair),
            Cell(f"{row.parameters:,}" if row.parameters else ""),
            texts[0],
            Cell(share),
            texts[1],
            Cell("" if row.role == BASELINE else str(score.n)),
        ),
        group=heading(row),
    )


def _data(rows: Sequence[TrackRow]) -> pd.DataFrame:
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in rows:
        summary = row.average().summary
        records.append(
            {
                "section": heading(row),
                "method": row.method,
                "pair": row.pair,
                "student_params": row.parameters,
                "metric": METRIC,
                "mean": None if summary.mean is None else round(summary.mean, 4),
                "sd": None if summary.sd is None else round(summary.sd, 4),
                "n": summary.n,
                "paper": None,
            }
        )
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"student_params": "Int64", "n": "Int64"})


def _notes(results: Results, rows: Sequence[TrackRow]) -> Iterator[str]:
    yield from protocol_notes(results, PAPER, held_out_beside=True)
    for name, track in results.tracks.items():
        sets = [task for task in results.tasks if task in track.tasks]
        shown = ", ".join(f"{task} ({', '.join(SHORT[m] for m in _leading(results, task))})" for task in sets)
        yield f"Score of {family_of(results, name)}: {'the mean over ' if len(sets) > 1 else ''}{shown}."
    marked = [f"{row.method} {row.pair}" for row in rows if near(row, rows)]
    if marked:
        yield (
            "† near or below the best baseline (majority; for texts, copying the source): less than 3 points "
            f"or 2 standard deviations above it: {', '.join(marked)}."
        )
    for row in rows:
        for seed, tasks in row.average().missing.items():
            yield f"{row.method} {row.pair}, seed {seed} is left out: no {', '.join(tasks)}."


def _leading(results: Results, task: str) -> tuple[str, ...]:
    return paper_of(results.paper).task(task).leading
