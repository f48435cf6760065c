"""Reading the scores of a run and averaging them as SuperGLUE does."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.data.superglue.tasks import SPECS
from retort.errors import InputError
from retort.evaluation.metrics import superglue_average
from retort.files import read_text
from retort.reporting.statistics import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("role", "method", "pair", "seed", "task", "metric", "protocol", "value", "stage")
ROLES = ("baseline", "teacher", "student", "variant", "quirk")
IN_MAIN_TABLES = ("baseline", "teacher", "student")
PAPER, HELD_OUT = "paper", "held_out"
PROTOCOLS = {
    PAPER: "the best evaluation on dev, as the authors did",
    HELD_OUT: "checkpoint chosen on one half of dev, score from the other half",
}
COLLECT = "run the step that collects the scores (again)"
_IDENTITY = ["role", "method", "pair", "seed", "task", "metric", "protocol"]


@dataclass(frozen=True)
class Averages:
    """SuperGLUE scores of one row of a table.

    Attributes:
        by_seed: score of each seed that has all tasks.
        missing: tasks that the other seeds lack.
    """

    by_seed: dict[str, float]
    missing: dict[str, tuple[str, ...]]

    @property
    def summary(self) -> Summary:
        """Over the complete seeds."""
        return summarise(list(self.by_seed.values()))


def read_scores(path: Path | str) -> pd.DataFrame:
    """Read ``scores.csv``: one row for each role, method, pair, seed, task, metric and protocol.

    Empty fields become empty strings; ``value`` is a float (0 to 100); ``run`` names the run in its stage's
    folder (where the column is absent, it is the task).

    Raises:
        InputError: no such file, missing columns, or a row that cannot be (its line is named).
    """
    table = read_table(path, COLUMNS, COLLECT)
    for line, row in enumerate(table.to_dict("records"), start=2):
        problem = _problem(row)
        if problem:
            raise InputError(f"{path}:{line}: {problem}; collect the scores again")
    repeated = table.duplicated(_IDENTITY)
    if repeated.any():
        line = int(repeated.to_numpy().argmax()) + 2
        raise InputError(f"{path}:{line}: repeats an earlier row; collect the scores again")
    table["value"] = table["value"].astype(float)
    if "run" not in table.columns:
        table["run"] = table["task"].where(table["stage"] != "", "")
    return table


def read_table(path: Path | str, columns: Sequence[str], remedy: str) -> pd.DataFrame:
    """Read a CSV, all fields as text, empty ones as empty text.

    Args:
        path: of the file.
        columns: that have to be there; ``remedy``: what to do where the file is none such.

    Raises:
        InputError: no such file, no table, or a column is missing.
    """
    import pandas as pd

    try:
        table = pd.read_csv(io.StringIO(read_text(path, remedy)), dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: no table ({' '.join(str(error).split())}); {remedy}") from None
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise InputError(f"{path}:1: column {lacking[0]!r} is missing; {remedy}")
    return table


def select(scores: pd.DataFrame, **fields: str) -> pd.DataFrame:
    """Rows whose columns have the given values, for example ``select(scores, method="KD")``."""
    keep = scores[list(fields)].eq(list(fields.values())).all(axis=1)
    return scores[keep]


def averages(rows: pd.DataFrame, tasks: tuple[str, ...]) -> Averages:
    """SuperGLUE score of each seed: paired metrics first, then the mean over ``tasks``.

    Args:
        rows: scores of one method, pair and protocol.
        tasks: the tasks that count; a seed that lacks one of them has no score.
    """
    complete: dict[str, float] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for seed, group in rows.groupby("seed", sort=False):
        found: dict[str, dict[str, float]] = {}
        for task, metric, value in zip(group["task"], group["metric"], group["value"], strict=True):
            found.setdefault(task, {})[metric] = value
        lacking = tuple(
            task for task in tasks if any(name not in found.get(task, {}) for name in SPECS[task].metrics)
        )
        if lacking:
            missing[str(seed)] = lacking
        else:
            complete[str(seed)] = superglue_average(found, tasks)
    return Averages(complete, missing)


def metric_summary(rows: pd.DataFrame, task: str, metric: str) -> Summary:
    """Mean and spread over seeds of one metric of one task."""
    return summarise(select(rows, task=task, metric=metric)["value"].tolist())


def _problem(row: Mapping[Any, Any]) -> str | None:
    if row["role"] not in ROLES:
        return f"role {row['role']!r} is none of {', '.join(ROLES)}"
    if row["task"] not in SPECS or row["metric"] not in SPECS[row["task"]].metrics:
        return f"no metric {row['metric']!r} of task {row['task']!r}"
    if row["protocol"] not in PROTOCOLS:
        return f"protocol {row['protocol']!r} is none of {', '.join(PROTOCOLS)}"
    try:
        right = 0 <= float(row["value"]) <= 100
    except ValueError:
        right = False
    return None if right else f"value {row['value']!r} is no number from 0 to 100"
