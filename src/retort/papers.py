"""The papers: what they are called, and how each scores its tasks.

Task names repeat between papers (RTE is one of SuperGLUE and of GLUE), so everything about a task is asked of
a paper.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal

from retort.data.glue.tasks import SPECS as GLUE
from retort.data.instructions.sets import GENERATION, UNDERSTANDING
from retort.data.seq2seq.tasks import SPECS as PAIRS
from retort.data.superglue.tasks import SPECS as SUPERGLUE
from retort.errors import InputError

Kind = Literal["cloze", "classes", "summarisation", "translation", "prompts"]


@dataclass(frozen=True)
class Scoring:
    """How a task is scored.

    Attributes:
        kind: decides what predictions look like.
        metrics: official ones, in percent, in the order of tables.
        leading: those whose mean is the task's score.
        weights: of the leading metrics in the sum that chooses checkpoints.
    """

    kind: Kind
    metrics: tuple[str, ...]
    leading: tuple[str, ...]
    weights: tuple[float, ...]

    def score(self, metrics: Mapping[str, float]) -> float:
        """The task's score in percent.

        Raises:
            InputError: a metric is missing.
        """
        return fmean(self._leading(metrics))

    def selection(self, metrics: Mapping[str, float]) -> float:
        """What chooses the best evaluation of a run."""
        return sum(w * value for w, value in zip(self.weights, self._leading(metrics), strict=True))

    def given(self, metrics: Collection[str]) -> Scoring:
        """How a run is scored that has these metrics: prompts are judged by the sets that the run names."""
        if self.kind != "prompts":
            return self
        kept = tuple(name for name in self.metrics if name in metrics)
        return Scoring(self.kind, kept, kept, (1.0,) * len(kept)) if kept else self

    def judged(self, task: str, metrics: Mapping[str, float]) -> dict[str, float]:
        """Scores by the names that gates have: the task's own or, of prompts, each set's."""
        if self.kind != "prompts":
            return {task: self.score(metrics)}
        return dict(zip(self.leading, self._leading(metrics), strict=True))

    def _leading(self, metrics: Mapping[str, float]) -> list[float]:
        missing = [name for name in self.leading if name not in metrics]
        if missing:
            raise InputError(f"metric {missing[0]!r} is missing; there are {', '.join(sorted(metrics))}")
        return [metrics[name] for name in self.leading]

    @property
    def least(self) -> float:
        """The lowest that a metric can be: correlations go down to -100."""
        return -100.0 if set(self.metrics) & {"matthews", "spearman", "pearson"} else 0.0


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        name: in configurations, and of its folder below the results; ``title``: for people.
    """

    name: str
    title: str

    @cached_property
    def tasks(self) -> Mapping[str, Scoring]:
        """Its tasks in the order of its tables."""
        return _TASKS[self.name]

    def task(self, name: str) -> Scoring:
        """How a task is scored.

        Raises:
            InputError: the paper has no such task.
        """
        if name not in self.tasks:
            raise InputError(f"{self.name} has no task {name!r}; it has {', '.join(self.tasks)}")
        return self.tasks[name]


def _all_of(kind: Kind, metrics: tuple[str, ...], weights: tuple[float, ...] | None = None) -> Scoring:
    return Scoring(kind, metrics, metrics, weights or (1.0,) * len(metrics))


def _first_of(kind: Kind, metrics: tuple[str, ...]) -> Scoring:
    """As in the CKA paper's scripts."""
    return Scoring(kind, metrics, metrics[:1], (1.0,))


_SELECTION = {"CB": (1.0, 0.01)}
"""GLMD's authors add CB's F1 as a fraction to its accuracy in percent (quirk ``cb-selection``)."""

_TASKS: dict[str, dict[str, Scoring]] = {
    "glmd": {name: _all_of("cloze", spec.metrics, _SELECTION.get(name)) for name, spec in SUPERGLUE.items()},
    "cka": {name: _first_of("classes", spec.metrics) for name, spec in GLUE.items()}
    | {name: _first_of(spec.kind, spec.metrics) for name, spec in PAIRS.items()},
    "atkd": {"instructions": _all_of("prompts", (*GENERATION, *UNDERSTANDING))},
}

PAPERS: dict[str, Paper] = {
    paper.name: paper
    for paper in (
        Paper("glmd", "GLMD (Tan et al., ACL 2023)"),
        Paper("cka", "CKA (Dasgupta and Cohn, ICLR 2025)"),
        Paper("atkd", "ATKD (Zhong et al., ACL 2024)"),
    )
}


PLAIN = "glmd"
"""The paper that was here first: names of its data parts don't begin with its own."""


def paper_of(name: str) -> Paper:
    """The record of a paper.

    Raises:
        InputError: there is no such paper.
    """
    if name not in PAPERS:
        raise InputError(f"no paper {name!r}; there are {', '.join(PAPERS)}")
    return PAPERS[name]
