"""What flipping the switches of the quirk ledger does, where that was run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from retort.errors import InputError
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.scores import PAPER, averages, select
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table, slug

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("quirk", "switch", "method", "pair", "as_run", "switched", "difference", "difference_sd", "n")
_SWITCHED = 4  # place of the switched score among the columns that people see
_LABEL = re.compile(r"(?P<method>.+) \[(?P<quirk>[\w-]+): (?P<switch>\w+)\]")


def quirk_effects(results: Results) -> Table:
    """Mean over the tasks with a switch flipped beside that as run, seed by seed."""
    data = effects(results)
    titles = (("Method", False), ("Pair", False), ("Switch", False), ("As run", True), ("Switched", True))
    return Table(
        name="quirk_effects",
        title="What the switches of the quirk ledger change",
        columns=tuple(Column(*c) for c in (*titles, ("Difference", True), ("Seeds", True))),
        lines=tuple(_line(row) for row in data.to_dict("records")),
        data=data,
        notes=(*protocol_notes(results, PAPER), *_left_out(data)),
    )


def effects(results: Results) -> pd.DataFrame:
    """One row for each switched method, in the order of the plan; both means are over the shared seeds."""
    import pandas as pd

    records: list[dict[str, Any]] = []
    switched = select(results.scores, role="quirk", protocol=PAPER)
    for (label, pair), rows in switched.groupby(["method", "pair"], sort=False):
        found = _LABEL.fullmatch(str(label))
        if found is None:
            raise InputError(f"{label}: not 'method [quirk: switch]'; collect the scores again")
        plain = select(results.scores, role="student", method=found["method"], pair=str(pair), protocol=PAPER)
        trained = set(rows["task"])
        tasks = tuple(task for task in results.tasks if task in trained)
        ours = averages(rows, tasks, results.paper).by_seed
        theirs = averages(plain, tasks, results.paper).by_seed
        seeds = [seed for seed in ours if seed in theirs]
        difference = summarise([ours[seed] - theirs[seed] for seed in seeds])
        records.append(
            {
                "quirk": found["quirk"],
                "switch": found["switch"],
                "method": found["method"],
                "pair": pair,
                "as_run": _rounded(summarise([theirs[seed] for seed in seeds]).mean),
                "switched": _rounded(summarise([ours[seed] for seed in seeds]).mean),
                "difference": _rounded(difference.mean),
                "difference_sd": _rounded(difference.sd),
                "n": len(seeds),
            }
        )
    return pd.DataFrame(records, columns=list(COLUMNS))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _line(row: dict[Any, Any]) -> Line:
    import pandas as pd

    def number(name: str) -> float | None:
        return None if pd.isna(row[name]) else float(row[name])

    difference = Summary(number("difference"), number("difference_sd"), int(row["n"]))
    texts = (
        row["method"],
        row["pair"],
        row["switch"],
        "" if number("as_run") is None else f"{row['as_run']:.1f}",
        "" if number("switched") is None else f"{row['switched']:.1f}",
        difference.signed_text,
        str(row["n"]),
    )
    runs = f"#{slug('run', _label(row), row['pair'])}"
    cells = (Cell(text, runs if place == _SWITCHED else None) for place, text in enumerate(texts))
    return Line(tuple(cells), str(row["quirk"]))


def _label(row: dict[Any, Any]) -> str:
    """What the scores call a method with a switch flipped."""
    return f"{row['method']} [{row['quirk']}: {row['switch']}]"


def _left_out(data: pd.DataFrame) -> tuple[str, ...]:
    if data.empty:
        return ("No switch was tried at this scale (variants.quirks).",)
    return ("Switches that change nothing on a pair (a cut between equal widths, say) are left out.",)
