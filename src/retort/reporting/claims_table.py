"""The claims of the paper and what the runs say to each."""

from __future__ import annotations

from collections import Counter

from retort.claims.verdicts import VERDICTS
from retort.claims.writing import COLUMNS, FILE, read_claims
from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table

_RULE = (
    "Supported: the 95 % interval lies wholly where the claim puts the effect; contradicted: wholly "
    "elsewhere; else undecided. Intervals cover dev examples and training seeds together."
)


def claims_table(results: Results) -> Table:
    """The judged claims as a table; without lines where they were not judged.

    Raises:
        InputError: ``claims.csv`` lacks a column.
    """
    import pandas as pd

    rows = read_claims(results.root / results.paper / FILE)
    titles = [("Claim", False), ("Verdict", False), ("Effect", True), ("Interval", True), ("Unit", False)]
    titles += [("Paper", True), ("Seeds", True), ("Would decide", False)]
    return Table(
        name="claims",
        title="Claims of the paper, judged",
        columns=tuple(Column(title, right) for title, right in titles),
        lines=tuple(_line(row) for row in rows),
        data=pd.DataFrame(rows, columns=list(COLUMNS)),
        notes=_notes(rows),
    )


def _line(row: dict[str, str]) -> Line:
    interval = f"{_short(row['low'])} to {_short(row['high'])}" if row["low"] else ""
    texts = [row["statement"], row["verdict"], _short(row["effect"]), interval, row["unit"]]
    texts += [_short(row["published"]), row["n_seeds"], row["needed"]]
    return Line(
        tuple(Cell(text) for text in texts),
        group=row["where"].partition(",")[0],
        kind="not_run" if row["verdict"] == "not run" else "ours",
    )


def _notes(rows: list[dict[str, str]]) -> tuple[str, ...]:
    if not rows:
        return ("The claims of this run were not judged.",)
    counted = Counter(row["verdict"] for row in rows)
    counts = ", ".join(f"{counted[verdict]} {verdict}" for verdict in VERDICTS)
    judged = len(rows) - counted["not run"]
    notes = [
        f"{len(rows)} claims: {counts}.",
        _RULE,
        f"Each verdict stands for itself: of {judged} intervals at 95 % some miss.",
        "Scores are those of the best evaluation on dev, as the authors report; notes on single claims are "
        f"in {FILE}.",
    ]
    if any("one seed: spread over seeds unknown" in row["note"] for row in rows):
        notes.append("With one seed the spread over seeds is unknown: no claim about scores is decided.")
    return tuple(notes)


def _short(number: str) -> str:
    return f"{float(number):.2f}".rstrip("0").rstrip(".").replace("-", "−") if number else ""
