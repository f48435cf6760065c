"""Table 3: the SuperGLUE score of every method, beside the paper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, Row, baseline_average, table_rows
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.tables import NEAR, Cell, Column, Line, Table, title_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("section", "method", "pair", "student_params", "metric", "mean", "sd", "n", "paper")
METRIC = "superglue"


def table3(results: Results, protocol: str = PAPER) -> Table:
    """Build the table under a selection protocol.

    The data have the columns ``section, method, pair, student_params, metric, mean, sd, n, paper``; rows
    that this scale does not run have no mean and ``n`` 0.
    """
    rows = table_rows(results)
    extra = bool(protocol == PAPER and results.scores["protocol"].eq(HELD_OUT).any())
    shown = (protocol, HELD_OUT) if extra else (protocol,)
    baselines = {name: baseline_average(rows, name) for name in shown}
    titles = [("SuperGLUE", True), *([("Held out", True)] if extra else []), ("Seeds", True)]
    columns = [("Method", False), ("Pair", False), ("Parameters", True), *titles]
    columns += [("Paper", True), ("Paper's size", True)]
    return Table(
        name="table3" if protocol == PAPER else f"table3_{protocol}",
        title="SuperGLUE score of teachers and students"
        + ("" if protocol == PAPER else f" ({title_of(protocol).lower()} protocol)"),
        columns=tuple(Column(title, right) for title, right in columns),
        lines=tuple(_line(row, shown, baselines) for row in rows),
        data=_data(rows, protocol),
        notes=_notes(rows, protocol, baselines, extra),
    )


def table3_held_out(results: Results) -> Table:
    """Build the table under the held-out protocol."""
    return table3(results, HELD_OUT)


def _data(rows: list[Row], protocol: str) -> pd.DataFrame:
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in rows:
        summary = row.average(protocol).summary
        records.append(
            {
                "section": row.section,
                "method": row.method,
                "pair": row.pair,
                "student_params": row.params,
                "metric": METRIC,
                "mean": None if summary.mean is None else round(summary.mean, 4),
                "sd": None if summary.sd is None else round(summary.sd, 4),
                "n": summary.n,
                "paper": row.published.score if row.published else None,
            }
        )
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.astype({"student_params": "Int64", "n": "Int64"})


def _line(row: Row, protocols: tuple[str, ...], baselines: dict[str, float | None]) -> Line:
    first = row.average(protocols[0])
    scores = []
    for protocol in protocols:
        text = row.average(protocol).summary.text
        text += NEAR if row.marked(baselines[protocol], protocol) else ""
        if not text and protocol == protocols[0]:
            text = ("incomplete" if row.was_run else "missing") if row.planned else "not run at this scale"
        scores.append(Cell(text, row.address() if row.was_run else None))
    paper = row.published
    return Line(
        cells=(
            Cell(row.method),
            Cell(row.pair),
            Cell(f"{row.params:,}" if row.params else ""),
            *scores,
            Cell(str(first.summary.n) if row.planned and row.section != BASELINE else ""),
            Cell(paper.printed if paper else ""),
            Cell(paper.params if paper else ""),
        ),
        group=title_of(row.section),
        kind="ours" if row.planned else "not_run",
    )


def _notes(
    rows: list[Row], protocol: str, baselines: dict[str, float | None], extra: bool
) -> tuple[str, ...]:
    results = rows[0].results
    notes = [*protocol_notes(results, protocol, extra)]
    marked = [row for row in rows if row.marked(baselines[protocol], protocol)]
    if marked:
        names = ", ".join(f"{row.method} {row.pair}" for row in marked)
        notes.append(
            f"† near the majority baseline ({baselines[protocol]:.1f}): less than 3 points or 2 standard "
            f"deviations above it, too little to say that anything was learned: {names}."
        )
    elif baselines[protocol] is not None:
        notes.append(f"Majority baseline: {baselines[protocol]:.1f}; no score here is near it.")
    single = [row for row in rows if row.section != BASELINE and row.average(protocol).summary.n == 1]
    if single and len(results.config.seeds) > 1:
        names = ", ".join(f"{row.method} {row.pair}" for row in single)
        notes.append(f"One run only, hence without spread: {names}.")
    for row in rows:
        for seed, tasks in row.average(protocol).missing.items():
            if row.section != BASELINE:
                notes.append(f"{row.method} {row.pair}, seed {seed} is left out: no {', '.join(tasks)}.")
        if row.published and row.published.note:
            notes.append(f"The paper's {row.method} {row.pair} is {row.published.note}.")
    return tuple(notes)
