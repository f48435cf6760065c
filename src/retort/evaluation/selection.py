"""Choosing: the evaluation that a run reports, and the run that a search reports.

Both follow a named protocol, and what a protocol reports never chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from retort.evaluation.metrics import selection_score, task_score
from retort.stages import Stage

Evaluations = Sequence[Mapping[str, Any]]
"""Of one run, in order: metrics by the part of dev (``all``, ``select``, ``report``)."""


@dataclass(frozen=True)
class Protocol:
    """Which part of dev chooses, and which is reported."""

    chooses: str
    reports: str


PAPER = "paper"
PROTOCOLS = {
    PAPER: Protocol("all", "all"),  # as the authors did
    "held_out": Protocol("select", "report"),
}


def selected(task: str, evaluations: Evaluations) -> dict[str, dict[str, float]]:
    """Metrics of a run by selection protocol.

    ``paper``: the best evaluation on all of dev, reported on the same, as the authors did.
    ``held_out``: the best on one half of dev, reported on the other.
    """
    return {
        name: dict(_best(task, evaluations, protocol)[protocol.reports])
        for name, protocol in PROTOCOLS.items()
    }


def best_run(
    task: str, runs: Mapping[str, Sequence[Evaluations]], protocol: str = PAPER
) -> tuple[str, float]:
    """The best of several runs on a task that differ in batch size and learning rate.

    Args:
        task: decides the metrics.
        runs: for each name, the evaluations of every seed.
        protocol: decides the part of dev that chooses, both in a run and between runs.

    Returns:
        Its name, and the mean over seeds of the task's score (its metrics averaged, 0 to 100) on the part
        that chooses. Of equally good ones the first.
    """
    part = PROTOCOLS[protocol]
    means = {
        name: fmean(task_score(task, _best(task, found, part)[part.chooses]) for found in seeds)
        for name, seeds in runs.items()
    }
    name = max(means, key=means.__getitem__)
    return name, means[name]


def runs_by_task(stage: Stage) -> dict[str, list[str]]:
    """Names of a stage's runs by task, in its order: small batches, then small rates first."""
    return {task: [name for name, run in stage.runs.items() if run.task == task] for task in stage.tasks}


def own_best(stage: Stage, metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """For each task of a stage its best run by protocol ``paper``: the one that others learn from.

    Args:
        stage: a task stage.
        metrics: what its ``metrics.json`` holds.
    """
    return {
        task: best_run(task, {name: [metrics[name]["evaluations"]] for name in names})[0]
        for task, names in runs_by_task(stage).items()
    }


def _best(task: str, evaluations: Evaluations, protocol: Protocol) -> Mapping[str, Any]:
    """The first of the best evaluations of a run."""
    return max(evaluations, key=lambda e: selection_score(task, e[protocol.chooses]))
