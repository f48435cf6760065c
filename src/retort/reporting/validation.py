"""What students of the papers on transformers models lose on dev, evaluation by evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.files import read_json
from retort.reporting.results import Results
from retort.reporting.track_rows import TrackRow, student_rows
from retort.runcard import read_card

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("method", "pair", "seed", "task", "step", "epoch", "clm", "kl")


def losses(results: Results) -> pd.DataFrame:
    """Losses on dev at every evaluation of every student's runs on texts.

    Columns ``method, pair, seed, task, step, epoch, clm, kl``: mean cross-entropy of the reference's words,
    and mean KL of the student's words from the teacher's (empty where a run has no teacher).
    """
    import pandas as pd

    records = [
        record for row in student_rows(results) if row.role == "student" for record in _of_row(results, row)
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))


def _of_row(results: Results, row: TrackRow) -> list[tuple[Any, ...]]:
    scores, records = row.scores, []
    places = dict.fromkeys(zip(scores["seed"], scores["task"], scores["stage"], scores["run"], strict=True))
    for seed, task, stage, run in places:
        folder = results.run(stage, run)
        found = [line for line in read_json(folder / "metrics.json")["evaluations"] if "losses" in line]
        if not found:
            continue
        epochs = _epochs(read_card(folder / "card.json")["stage"], task)
        last = found[-1]["step"]
        for line in found:
            known = line["losses"]
            epoch = round(epochs * line["step"] / last, 4) if last else 0.0
            records.append(
                (row.method, row.pair, seed, task, line["step"], epoch, known.get("clm"), known.get("kl"))
            )
    return records


def _epochs(stage: dict[str, Any], task: str) -> float:
    """How many a run has; its last evaluation is at its end."""
    return float(next(run["epochs"] for run in stage["schooling"] if run["task"] == task))
