"""GLUE by task and student."""

from __future__ import annotations

from retort.reporting.cka.by_data_set import Kept, by_data_set
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.tables import Table

_KEPT = Kept(
    "glue",
    "Scores by task, student and method",
    "classes",
    average=True,
    notes=(
        "On dev, one metric a task as in the authors' scripts (MNLI: matched); the CSV has all official "
        "ones. The average is over the tasks of this scale. Baseline majority: the best constant answer, 0 "
        "for correlations.",
    ),
)


def glue(results: Results) -> Table:
    """Scores of teachers and students on every task, and their mean."""
    return by_data_set(results, _KEPT)


def glue_held_out(results: Results) -> Table:
    """The same under the held-out protocol."""
    return by_data_set(results, _KEPT, HELD_OUT)
