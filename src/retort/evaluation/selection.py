"""Choosing: the evaluation that a run reports, and the run that a search reports.

Both follow a named protocol, and what a protocol reports never chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from retort.papers import Scoring
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


def selected(scoring: Scoring, evaluations: Evaluations) -> dict[str, dict[str, float]]:
    """Metrics of a run by selection protocol.

    ``paper``: the best evaluation on all of dev, reported on the same, as the authors did.
    ``held_out``: the best on one half of dev, reported on the other.
    """
    return {
        name: dict(_best(scoring, evaluations, protocol)[protocol.reports])
        for name, protocol in PROTOCOLS.items()
    }


def best_run(
    scoring: Scoring, runs: Mapping[str, Sequence[Evaluations]], protocol: str = PAPER
) -> tuple[str, float]:
    """The best of several runs on a task that differ in batch size and learning rate.

    Args:
        scoring: of the task.
        runs: for each name, the evaluations of every seed.
        protocol: decides the part of dev that chooses, both in a run and between runs.

    Returns:
        Its name, and the mean over seeds of the task's score on the part that chooses. Of equally good
        ones the first.
    """
    part = PROTOCOLS[protocol]
    means = {
        name: fmean(scoring.score(_best(scoring, found, part)[part.chooses]) for found in seeds)
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
        task: best_run(scoring_of(stage, task), {name: [metrics[name]["evaluations"]] for name in names})[0]
        for task, names in runs_by_task(stage).items()
    }


def scoring_of(stage: Stage, task: str) -> Scoring:
    """How a task of a stage is scored."""
    return next(run.scoring for run in stage.runs.values() if run.task == task)


def _best(scoring: Scoring, evaluations: Evaluations, protocol: Protocol) -> Mapping[str, Any]:
    """The first of the best evaluations of a run."""
    return max(evaluations, key=lambda e: scoring.selection(e[protocol.chooses]))
