"""Table 9: every metric of every task, ours and the paper's, in the paper's wide form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.data.superglue.tasks import SPECS
from retort.errors import InputError
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, Row, baseline_average, table_rows
from retort.reporting.scores import PAPER, metric_summary, select
from retort.reporting.statistics import Summary, near_baseline
from retort.reporting.tables import NEAR, Cell, Column, Kind, Line, Table, title_of

if TYPE_CHECKING:
    import pandas as pd

_METRIC_NAMES = {"acc": "accuracy"}
_TITLES = {"accuracy": "acc", "f1": "F1", "em": "EM", "f1a": "F1a"}


@dataclass(frozen=True)
class Measure:
    """One metric column: ``key`` as the paper's file calls it."""

    key: str
    task: str
    metric: str

    @property
    def title(self) -> str:
        """Heading, for example ``ReCoRD F1``; the task alone where it has one metric."""
        return f"{self.task} {_TITLES[self.metric]}" if len(SPECS[self.task].metrics) > 1 else self.task


def measures(published: pd.DataFrame, tasks: tuple[str, ...]) -> list[Measure]:
    """The metric columns of the paper's table, in its order, for the tasks of this scale."""
    names = {task.lower(): task for task in SPECS}
    found = []
    for key in published.columns:
        task, _, metric = key.partition("_")
        metric = _METRIC_NAMES.get(metric, metric)
        if task in names and metric in SPECS[names[task]].metrics and names[task] in tasks:
            found.append(Measure(key, names[task], metric))
    if not found:
        raise InputError("the paper's table9.csv has no metric of this run's tasks; mend its header")
    return found


def table9(results: Results, protocol: str = PAPER) -> Table:
    """Build the table.

    The data have, for each row, one record with ``source`` ours and ``statistic`` mean (and sd, n, where
    there is more than one seed), and one with ``source`` paper, as far as they exist.
    """
    published = results.published_table("table9")
    columns = measures(published, results.config.tasks)
    paper = {(_plain(row["method"]), row["config"]): row for row in published.to_dict("records")}
    rows = table_rows(results)
    floor = _baseline(rows, columns, protocol)
    records: list[dict[str, Any]] = []
    lines: list[Line] = []
    for row in rows:
        printed = paper.get((row.method, row.pair))
        if row.was_run:
            records += _our_records(row, columns, protocol)
            lines.append(_our_line(row, columns, protocol, floor))
        if printed:
            records.append(_paper_record(row, printed, columns))
            lines.append(_paper_line(row, printed, columns))
    titles = [Column("Method"), Column("Pair"), Column("From"), *(Column(m.title, True) for m in columns)]
    return Table(
        name="table9",
        title="All SuperGLUE metrics on dev",
        columns=(*titles, Column("Average", True)),
        lines=tuple(lines),
        data=_frame(records, columns),
        notes=(
            *protocol_notes(results, protocol),
            "† near the majority baseline of that metric: less than 3 points or 2 standard deviations above.",
            "Metrics are percentages; the average takes the mean of a task's two metrics first.",
        ),
    )


def _plain(method: str) -> str:
    """The paper's Table 9 says ``GLM (teacher)`` where its Table 3 says ``GLM``."""
    return re.sub(r" \(\w+\)$", "", method)


def _baseline(rows: list[Row], columns: list[Measure], protocol: str) -> dict[str, float | None]:
    """Baseline by metric column, and of the average under the key ``average``."""
    floor: dict[str, float | None] = {"average": baseline_average(rows, protocol)}
    for row in rows:
        if row.section == BASELINE:
            found = select(row.scores, protocol=protocol)
            floor |= {m.key: metric_summary(found, m.task, m.metric).mean for m in columns}
    return floor


def _summaries(row: Row, columns: list[Measure], protocol: str) -> dict[str, Summary]:
    found = select(row.scores, protocol=protocol)
    summaries = {m.key: metric_summary(found, m.task, m.metric) for m in columns}
    return summaries | {"average": row.average(protocol).summary}


def _our_records(row: Row, columns: list[Measure], protocol: str) -> list[dict[str, Any]]:
    summaries = _summaries(row, columns, protocol)
    head: dict[str, Any] = {"source": "ours", "section": row.section, "method": row.method, "pair": row.pair}
    head |= {"student_params": row.params}
    statistics = ["mean"]
    if row.section != BASELINE:
        statistics += ["sd", "n"] if max(s.n for s in summaries.values()) > 1 else ["n"]
    return [
        head | {"statistic": name} | {key: _rounded(getattr(s, name)) for key, s in summaries.items()}
        for name in statistics
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _paper_record(row: Row, printed: dict[Any, Any], columns: list[Measure]) -> dict[str, Any]:
    return {
        "source": "paper",
        "section": row.section,
        "method": row.method,
        "pair": row.pair,
        "student_params": printed["student_params"],
        "statistic": "mean",
        "average": float(printed["avg_reported"]),
    } | {m.key: float(printed[m.key]) if printed[m.key] else None for m in columns}


def _our_line(row: Row, columns: list[Measure], protocol: str, floor: dict[str, float | None]) -> Line:
    cells = [Cell(row.method), Cell(row.pair), Cell("ours")]
    summaries = _summaries(row, columns, protocol)
    for measure in columns:
        cells.append(_cell(row, summaries[measure.key], floor.get(measure.key), row.address(measure.task)))
    cells.append(_cell(row, summaries["average"], floor["average"], row.address()))
    return Line(tuple(cells), title_of(row.section))


def _cell(row: Row, summary: Summary, floor: float | None, address: str | None) -> Cell:
    near = row.section != BASELINE and near_baseline(summary, floor)
    return Cell(summary.text + (NEAR if near else ""), address if summary.text else None)


def _paper_line(row: Row, printed: dict[Any, Any], columns: list[Measure]) -> Line:
    texts = [row.method, row.pair, "paper", *(printed[m.key] for m in columns), printed["avg_reported"]]
    kind: Kind = "paper" if row.planned else "not_run"
    return Line(tuple(Cell(text) for text in texts), title_of(row.section), kind)


def _frame(records: list[dict[str, Any]], columns: list[Measure]) -> pd.DataFrame:
    import pandas as pd

    head = ["source", "statistic", "section", "method", "pair", "student_params"]
    return pd.DataFrame(records, columns=[*head, *(m.key for m in columns), "average"])
