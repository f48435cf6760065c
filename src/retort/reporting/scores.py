"""Reading the scores of a run and averaging them over tasks."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from retort.errors import InputError
from retort.files import read_text
from retort.papers import Paper, paper_of
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
    """Scores of one row of a table over several tasks.

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


def read_scores(path: Path | str, paper: str = "glmd") -> pd.DataFrame:
    """Read ``scores.csv``: one row for each role, method, pair, seed, task, metric and protocol.

    Empty fields become empty strings; ``value`` is a float (0 to 100, correlations from -100); ``run`` names
    the run in its stage's folder (where the column is absent, it is the task).

    Args:
        path: of the file.
        paper: whose tasks they are.

    Raises:
        InputError: no such file, missing columns, or a row that cannot be (its line is named).
    """
    table, asked = read_table(path, COLUMNS, COLLECT), paper_of(paper)
    for line, row in enumerate(table.to_dict("records"), start=2):
        problem = _problem(row, asked)
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


def averages(rows: pd.DataFrame, tasks: tuple[str, ...], paper: str = "glmd") -> Averages:
    """Score of each seed: the mean over ``tasks`` of each task's score, paired metrics first.

    Args:
        rows: scores of one method, pair and protocol.
        tasks: the tasks that count; a seed that lacks one of them has no score.
        paper: whose tasks they are.
    """
    complete: dict[str, float] = {}
    missing: dict[str, tuple[str, ...]] = {}
    had = rows.groupby("task")["metric"].agg(frozenset).to_dict()
    asked = {task: paper_of(paper).task(task).given(had.get(task, ())) for task in tasks}
    for seed, group in rows.groupby("seed", sort=False):
        found: dict[str, dict[str, float]] = {}
        for task, metric, value in zip(group["task"], group["metric"], group["value"], strict=True):
            found.setdefault(task, {})[metric] = value
        lacking = tuple(
            task for task, scoring in asked.items() if not found.get(task, {}).keys() >= set(scoring.leading)
        )
        if lacking:
            missing[str(seed)] = lacking
        else:
            complete[str(seed)] = fmean(scoring.score(found[task]) for task, scoring in asked.items())
    return Averages(complete, missing)


def metric_summary(rows: pd.DataFrame, task: str, metric: str) -> Summary:
    """Mean and spread over seeds of one metric of one task."""
    return summarise(select(rows, task=task, metric=metric)["value"].tolist())


def _problem(row: Mapping[Any, Any], paper: Paper) -> str | None:
    if row["role"] not in ROLES:
        return f"role {row['role']!r} is none of {', '.join(ROLES)}"
    if row["task"] not in paper.tasks or row["metric"] not in paper.task(row["task"]).metrics:
        return f"no metric {row['metric']!r} of task {row['task']!r}"
    if row["protocol"] not in PROTOCOLS:
        return f"protocol {row['protocol']!r} is none of {', '.join(PROTOCOLS)}"
    least = paper.task(row["task"]).least
    try:
        right = least <= float(row["value"]) <= 100
    except ValueError:
        right = False
    return None if right else f"value {row['value']!r} is no number from {least:g} to 100"
