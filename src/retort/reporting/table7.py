"""Table 7: the batch size and learning rate behind each score, ours beside the paper's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, published_rows, section_of, table_rows
from retort.reporting.scores import PAPER, select
from retort.reporting.tables import Cell, Column, Kind, Line, Table, title_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("section", "method", "pair", "task", "batch_size", "learning_rate", "n", "score", "points"),
    *("paper_batch_size", "paper_learning_rate", "paper_note"),
)
Setting = Mapping[Any, Any]
Key = tuple[str, str, str]


def table7(results: Results) -> Table:
    """Build the table: protocol ``paper``; the data have one record for each method, pair and task."""
    ours, paper = _ours(results), _published(results)
    tasks: tuple[str, ...] = results.config.tasks
    records: list[dict[str, Any]] = []
    lines: list[Line] = []
    for section, method, pair, planned in _rows(results, paper):
        mine = {task: ours[method, pair, task] for task in tasks if (method, pair, task) in ours}
        printed = {task: paper[method, pair, task] for task in tasks if (method, pair, task) in paper}
        head = {"section": section, "method": method, "pair": pair}
        records += [head | _record(task, mine, printed) for task in tasks if task in mine or task in printed]
        kind: Kind = "paper" if planned else "not_run"
        if mine:
            lines.append(_line(section, (method, pair, "ours"), mine, tasks, "ours"))
        if printed:
            lines.append(_line(section, (method, pair, "paper"), printed, tasks, kind))
    titles = [Column("Method"), Column("Pair"), Column("From"), *(Column(task, True) for task in tasks)]
    return Table(
        name="table7",
        title="Batch size and learning rate by method and task",
        columns=tuple(titles),
        lines=tuple(lines),
        data=_frame(records),
        notes=tuple(_notes(results)),
    )


def _notes(results: Results) -> list[str]:
    training = results.config.task_training
    search = training.search
    if search is not None:
        sizes, rates = (", ".join(map(_number, v)) for v in (search.batch_sizes, search.learning_rates))
        said = (
            f"Ours: the best of batch sizes {sizes} and learning rates {rates} by the mean dev score of the "
            "seeds; of equally good ones the smaller batch, then the smaller rate."
        )
    elif training.hyper_parameters is not None:
        said = f"Ours: as configured, from {training.hyper_parameters}; nothing was searched."
    else:
        said = "Ours: as configured; nothing was searched."
    return [
        "Batch size / peak learning rate, the same in all task stages of a method.",
        said,
        "The paper says that it searched batch sizes 16, 32 and learning rates 5e-06, 1e-05, 2e-05.",
    ]


def _line(
    section: str, head: tuple[str, ...], found: dict[str, Setting], tasks: tuple[str, ...], kind: Kind
) -> Line:
    points = (_point(found.get(task)) for task in tasks)
    return Line(tuple(map(Cell, (*head, *points))), title_of(section), kind)


def _number(value: float) -> str:
    return f"{value:g}"


def _point(setting: Setting | None) -> str:
    if setting is None:
        return ""
    return f"{int(setting['batch_size'])} / {_number(float(setting['learning_rate']))}"


def _record(task: str, mine: dict[str, Setting], printed: dict[str, Setting]) -> dict[str, Any]:
    own, theirs = mine.get(task, {}), printed.get(task, {})
    return {
        "task": task,
        "batch_size": own.get("batch_size"),
        "learning_rate": own.get("learning_rate"),
        "n": own.get("n_seeds"),
        "score": own.get("score"),
        "points": own.get("points"),
        "paper_batch_size": theirs.get("batch_size"),
        "paper_learning_rate": _number(float(theirs["learning_rate"])) if theirs else None,
        "paper_note": theirs.get("note"),
    }


def _ours(results: Results) -> dict[Key, Setting]:
    found = select(results.hyper_parameters, protocol=PAPER)
    rows = found[found["role"].isin(("teacher", "student"))].to_dict("records")
    return {(row["method"], row["pair"], row["task"]): row for row in rows}


def _published(results: Results) -> dict[Key, Setting]:
    rows = results.published_table("table7_hparams").to_dict("records")
    return {(_plain(row["method"]), row["config"], row["task"]): row for row in rows}


def _plain(method: str) -> str:
    """The paper's Table 7 says ``GLM (teacher)`` where its Table 3 says ``GLM``."""
    return re.sub(r" \(\w+\)$", "", method)


def _rows(results: Results, paper: dict[Key, Setting]) -> list[tuple[str, str, str, bool]]:
    """(section, method, pair, whether this scale runs it) in the order of Table 3."""
    rows = [(r.section, r.method, r.pair, r.planned) for r in table_rows(results) if r.section != BASELINE]
    known, published = {row[1:3] for row in rows}, published_rows(results)
    more = dict.fromkeys((method, pair) for method, pair, _ in paper if (method, pair) not in known)
    return [*rows, *((section_of(*row, "student", published), *row, False) for row in more)]


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records, columns=list(COLUMNS))
