"""What the authors' released scripts run, script by script."""

from __future__ import annotations

from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table

FILE = "hyper_parameters"
_TITLES = {
    "script": "Script", "method": "Method here", "stage": "Stage", "data": "Data", "teacher": "Teacher",
    "student": "Student", "loss": "Loss", "temperature": "Temperature", "batch": "Batch",
    "accumulation": "Accumulation", "learning_rate": "Rate", "projection_rate": "Rate of the projection",
    "weight_decay": "Decay", "schedule": "Schedule", "epochs": "Epochs", "source_tokens": "Tokens read",
    "target_tokens": "Tokens written", "notes": "Notes",
}  # fmt: skip
_NUMBERS = (
    *("temperature", "batch", "accumulation", "learning_rate", "projection_rate", "weight_decay"),
    *("epochs", "source_tokens", "target_tokens"),
)
_WRAP = {"data": 14, "teacher": 16, "loss": 18, "notes": 30}
_NOTES = (
    "Read in the scripts of the authors' repository. A rate that is missing is an argument of the script; a "
    "method that is missing is a side experiment, or another model's teacher. Where the scripts contradict "
    "the paper's page, the ledger of quirks says so.",
)


def released(results: Results) -> Table:
    """Build the table; the data are those of the repository."""
    found = results.published_table(FILE)
    rows = found.to_dict("records")
    return Table(
        name="released",
        title="What the released scripts run",
        columns=tuple(
            Column(title, right=name in _NUMBERS, wrap=_WRAP.get(name, 0)) for name, title in _TITLES.items()
        ),
        lines=tuple(Line(tuple(Cell(row[name]) for name in _TITLES), kind="paper") for row in rows),
        data=found,
        notes=_NOTES,
    )
