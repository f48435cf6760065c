"""Scores of students, data set by data set: one table for each kind of task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from retort.papers import Kind, paper_of
from retort.reporting.notes import protocol_notes
from retort.reporting.published_scores import UNKNOWN, published_scores
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.statistics import Summary
from retort.reporting.tables import NEAR, Cell, Column, Line, Table, title_of
from retort.reporting.track_rows import TrackRow, described, family_of, near, size_of, track_rows, tracks_with

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("track", "role", "method", "pair", "student_params", "task", "metric", "mean", "sd", "n", "paper")
AVERAGE = "average"
"""Stands for all data sets of the family."""
SHORT = {
    "rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L", "rougeLsum": "R-Lsum", "bleu": "BLEU", "chrf": "chrF",
    "matthews": "Matthews", "accuracy": "acc.", "f1": "F1", "pearson": "Pearson", "spearman": "Spearman",
}  # fmt: skip
"""Metrics as the heads of columns call them."""


@dataclass(frozen=True)
class Kept:
    """What a table shows.

    Attributes:
        name, title: of the table.
        kind: of the tasks; ``metrics``: of a task, in order; empty: only those that make its score.
        average: whether a column has the mean over the data sets.
        notes: how the numbers were computed.
    """

    name: str
    title: str
    kind: Kind
    metrics: tuple[str, ...] = ()
    average: bool = False
    notes: tuple[str, ...] = ()

    def columns(self, tasks: Sequence[str], paper: str) -> list[tuple[str, str]]:
        """(task, metric) of the columns of numbers; the mean over the tasks has no metric."""
        found = [
            (task, metric) for task in tasks for metric in self.metrics or paper_of(paper).task(task).leading
        ]
        return [*found, *([(AVERAGE, "")] if self.average and len(tasks) > 1 else [])]


@dataclass(frozen=True, eq=False)
class Lines:
    """The rows of a table under a protocol, with their numbers."""

    results: Results
    kept: Kept
    protocol: str
    tasks: tuple[str, ...]
    rows: tuple[TrackRow, ...]
    paper: Mapping[tuple[str, ...], str]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """See :meth:`Kept.columns`."""
        return self.kept.columns(self.tasks, self.results.paper)

    def summary(self, row: TrackRow, task: str, metric: str) -> Summary:
        """Mean and spread over seeds of a metric, or of the mean over all data sets."""
        if task == AVERAGE:
            return row.average(self.protocol).summary
        return row.summary(task, metric, self.protocol)

    def published(self, row: TrackRow, task: str, metric: str) -> str:
        """What the paper prints; empty where that is not known."""
        if row.role == BASELINE:
            return ""
        student = "teacher" if row.role == "teacher" else size_of(self.results.tracks[row.track], row.model)
        return self.paper.get((student, row.method, task, metric), "")

    def near(self, row: TrackRow) -> bool:
        """Whether a mean over all data sets does not stand out above the family's baseline."""
        return near(row, self.rows, self.protocol)


def by_data_set(results: Results, kept: Kept, protocol: str = PAPER) -> Table:
    """Build a table under a selection protocol; the data have one row for each cell.

    Columns ``track, role, method, pair, student_params, task, metric, mean, sd, n, paper``.
    """
    found = tracks_with(results, kept.kind)
    every = tuple(dict.fromkeys(task for tasks in found.values() for task in tasks))
    tasks = tuple(task for task in results.tasks if task in every)
    rows = tuple(row for name in found for row in track_rows(results, name))
    lines = Lines(results, kept, protocol, tasks, rows, published_scores(results))
    held_out = protocol == HELD_OUT
    return Table(
        name=f"{kept.name}_{HELD_OUT}" if held_out else kept.name,
        title=kept.title + (f" ({title_of(protocol).lower()} protocol)" if held_out else ""),
        columns=tuple(_columns(lines)),
        lines=tuple(_line(row, lines) for row in rows),
        data=_data(lines),
        notes=tuple(_notes(lines)) if rows else (f"This scale has no {title_of(kept.kind).lower()} sets.",),
    )


def heading(row: TrackRow) -> str:
    """What heads the rows of one student: family, symbol and size."""
    if row.role != "student":
        return f"{family_of(row.results, row.track)}: baseline and teachers"
    return described(row.results.tracks[row.track], row.model)


def signatures(kind: Literal["summarisation", "translation"]) -> Mapping[str, str]:
    """How exactly each metric is computed, in the words of the package that computes it."""
    from retort.evaluation.text_metrics import score_texts

    return score_texts(kind, {"": "text"}, {"": ["text"]}).signatures


def _columns(lines: Lines) -> Iterator[Column]:
    yield Column("Method")
    yield Column("Pair")
    yield Column("Parameters", right=True)
    for task, metric in lines.columns:
        yield Column("Average" if task == AVERAGE else f"{task} {SHORT[metric]}", right=True)
    yield Column("Seeds", right=True)
    for task, metric in _leading(lines):
        yield Column(f"{task} {SHORT[metric]}, paper", right=True)


def _leading(lines: Lines) -> Iterator[tuple[str, str]]:
    for task in lines.tasks:
        for metric in paper_of(lines.results.paper).task(task).leading:
            yield task, metric


def _line(row: TrackRow, lines: Lines) -> Line:
    numbers = []
    for task, metric in lines.columns:
        text = lines.summary(row, task, metric).text
        mark = NEAR if text and task == AVERAGE and lines.near(row) else ""
        of = "" if task == AVERAGE else task
        numbers.append(Cell(text + mark, row.address(of) if text else None))
    seeds = max(lines.summary(row, task, metric).n for task, metric in lines.columns)
    printed = [lines.published(row, task, metric) for task, metric in _leading(lines)]
    return Line(
        cells=(
            Cell(row.method),
            Cell(row.pair),
            Cell(f"{row.parameters:,}" if row.parameters else ""),
            *numbers,
            Cell("" if row.role == BASELINE else str(seeds)),
            *(Cell(text, unknown=not text and row.role != BASELINE) for text in printed),
        ),
        group=heading(row),
    )


def _data(lines: Lines) -> pd.DataFrame:
    import pandas as pd

    asked = paper_of(lines.results.paper)
    cells = [(task, metric) for task in lines.tasks for metric in asked.task(task).metrics]
    cells += [cell for cell in lines.columns if cell[0] == AVERAGE]
    records: list[dict[str, Any]] = []
    for row in lines.rows:
        for task, metric in cells:
            summary = lines.summary(row, task, metric)
            if summary.mean is not None:
                records.append(
                    {
                        "track": row.track,
                        "role": row.role,
                        "method": row.method,
                        "pair": row.pair,
                        "student_params": row.parameters,
                        "task": task,
                        "metric": metric,
                        "mean": round(summary.mean, 4),
                        "sd": None if summary.sd is None else round(summary.sd, 4),
                        "n": summary.n,
                        "paper": lines.published(row, task, metric),
                    }
                )
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"student_params": "Int64", "n": "Int64"})


def _notes(lines: Lines) -> Iterator[str]:
    yield from protocol_notes(lines.results, lines.protocol)
    yield from lines.kept.notes
    if lines.kept.average:
        near = [f"{row.method} {row.pair}" for row in lines.rows if lines.near(row)]
        if near:
            yield (
                "† near the baseline: less than 3 points or 2 standard deviations above it, too little to "
                f"say that anything was learned: {', '.join(near)}."
            )
    if any(cell.unknown for row in lines.rows for cell in _line(row, lines).cells):
        yield UNKNOWN
