"""The kinds of tests that a claim can be put to, as they are written in a ledger."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from retort.config.messages import nearest
from retort.papers import PAPERS

AVERAGE = "average"
WITHOUT_RECORD = "without ReCoRD"
BASELINES = "baselines"
ANY, SMALLEST, LARGEST = "any pair", "smallest pair", "largest pair"
SMALL_TEACHER, LARGE_TEACHER = "smallest teacher", "largest teacher"
LADDER = (SMALL_TEACHER, LARGE_TEACHER)
PLACES = (ANY, SMALLEST, LARGEST, *LADDER)
"""Pairs by what a run has: teachers and students with which every method of the test ran; by the size of the
student; of each student that has several teachers, by the size of these."""


class Strict(BaseModel):
    """No key that is not known, no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Cell(Strict):
    """One row of a result table: a method on a teacher-student pair, written ``GLMD-vc @ T1-S1``."""

    method: str
    pair: str

    def __str__(self) -> str:
        return f"{self.method} @ {self.pair}"


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    method, sign, pair = value.partition(" @ ")
    if not sign or not method.strip() or not pair.strip():
        raise ValueError("a cell as 'method @ pair', e.g. GLMD-vc @ T1-S1")
    return {"method": method.strip(), "pair": pair.strip()}


def scopes(paper: str) -> tuple[str, ...]:
    """What a claim about scores can be about: an average of tasks, or one task.

    Besides the average over all tasks there is one for each kind of task where a paper has several, and for
    GLMD that without ReCoRD. Of a paper whose tasks are not known here there is only the average.
    """
    tasks = PAPERS[paper].tasks if paper in PAPERS else {}
    kinds = dict.fromkeys(scoring.kind for scoring in tasks.values())
    several = tuple(kinds) if len(kinds) > 1 else ()
    return (AVERAGE, *((WITHOUT_RECORD,) if "ReCoRD" in tasks else ()), *several, *tasks)


def tasks_of(paper: str, scope: str) -> tuple[str, ...]:
    """The tasks of a paper that a scope averages."""
    tasks = PAPERS[paper].tasks
    if scope in tasks:
        return (scope,)
    if scope in (AVERAGE, WITHOUT_RECORD):
        return tuple(task for task in tasks if scope == AVERAGE or task != "ReCoRD")
    return tuple(task for task, scoring in tasks.items() if scoring.kind == scope)


def _scope(value: Any, info: ValidationInfo) -> Any:
    known = scopes(info.context["paper"]) if info.context else (value,)
    if value not in known:
        raise ValueError(f"a task or an average: {nearest(str(value), known)}")
    return value


CellText = Annotated[Cell, BeforeValidator(_cell)]
Scope = Annotated[str, BeforeValidator(_scope)]
"""One of :func:`scopes`."""


class Greater(Strict):
    """``higher`` scores more than ``lower``."""

    kind: Literal["greater"]
    higher: CellText
    lower: CellText
    score: Scope = AVERAGE


class NoWorse(Strict):
    """``cell`` scores at most ``margin`` points less than ``reference``."""

    kind: Literal["no_worse"]
    cell: CellText
    reference: CellText
    margin: float = Field(gt=0)
    margin_from: str
    score: Scope = AVERAGE


class Within(Strict):
    """Every one of ``cells`` scores what ``reference`` does, give or take ``margin`` points."""

    kind: Literal["at_least_within"]
    reference: CellText
    cells: tuple[CellText, ...] = Field(min_length=1)
    margin: float = Field(gt=0)
    margin_from: str
    score: Scope = AVERAGE


class BestOf(Strict):
    """``best`` scores more than each of ``rest``; ``baselines``: the single-teacher rows of its pair."""

    kind: Literal["best_of"]
    best: CellText
    rest: Literal["baselines"] | Annotated[tuple[CellText, ...], Field(min_length=1)]
    score: Scope = AVERAGE


class Trend(Strict):
    """Scores rise along ``rising``."""

    kind: Literal["trend"]
    rising: tuple[CellText, ...] = Field(min_length=3)
    score: Scope = AVERAGE


class Count(Strict):
    """In at least ``least`` of the comparisons the first cell scores more than the second."""

    kind: Literal["count"]
    comparisons: tuple[tuple[CellText, CellText], ...] = Field(min_length=1)
    least: int = Field(gt=0)
    score: Scope = AVERAGE

    @model_validator(mode="after")
    def _enough(self) -> Count:
        """As many as are asked for."""
        if self.least > len(self.comparisons):
            raise ValueError(f"'least' to be at most {len(self.comparisons)}, the comparisons there are")
        return self


class Correlation(Strict):
    """The rank correlation of two series of a training run lies above or below a threshold.

    Attributes:
        figure: whose numbers; ``probes``: computed from the measurements of the pretraining runs
            themselves, of hidden states, each layer by itself, then averaged.
        of, against: names of the series. ``features`` are all teacher-student distances but that of the
            words; of them, it is the share whose correlation is zero or negative. Of probes: ``cka`` beside
            ``procrustes`` (up to rotation and scale, too, but all directions count by their variance) or
            ``gram_mse`` and ``gram_kl`` (of the relations among positions).
        stage: of the runs that were probed.
    """

    kind: Literal["correlation"]
    figure: Literal["figure2", "figure5", "probes"]
    cell: CellText
    of: Literal["features", "loss", "l_sp", "cka"]
    against: Literal["loss", "l_sp", "perplexity", "procrustes", "gram_mse", "gram_kl"]
    relation: Literal["above", "below"]
    threshold: float = Field(ge=-1, le=1)
    threshold_from: str
    stage: Literal["pretraining", "task"] = "pretraining"

    @model_validator(mode="after")
    def _of_the_figure(self) -> Correlation:
        """Series that the figure has."""
        geometry = self.against in ("procrustes", "gram_mse", "gram_kl")
        probed = self.of == "cka" and self.against != "l_sp"
        if (self.figure == "probes") != probed or (geometry and not probed):
            raise ValueError(f"series of {self.figure}: 'cka' and what it is laid beside are of 'probes'")
        return self


class Coverage(Strict):
    """The most frequent words, a share ``of_words``, make up at least ``least`` of every text."""

    kind: Literal["coverage"]
    texts: Literal["pretraining", "tasks"]
    of_words: float = Field(gt=0, lt=1)
    least: float = Field(gt=0, lt=1)
    threshold_from: str


class Size(Strict):
    """The word table of ``smaller`` has at most ``at_most`` of the parameters of that of ``larger``."""

    kind: Literal["size"]
    smaller: CellText
    larger: CellText
    at_most: float = Field(gt=0)


class Cost(Strict):
    """An update of ``cell`` takes at most ``margin`` (a share) longer than one of ``reference``.

    Attributes:
        stage: whose updates: of the runs on tasks, or of the pretraining run that they start from.
    """

    kind: Literal["cost"]
    cell: CellText
    reference: CellText
    stage: Literal["pretraining", "task"]
    margin: float = Field(gt=0)
    margin_from: str


class SameNetwork(Strict):
    """The trained students of all cells have the same tensors, so that they run equally fast."""

    kind: Literal["same_network"]
    cells: tuple[CellText, ...] = Field(min_length=2)


class Speed(Strict):
    """Every student of the timings takes less than ``at_most`` of its teacher's time."""

    kind: Literal["speed"]
    at_most: float = Field(gt=0)
    at_most_from: str


class Flatter(Strict):
    """The loss rises less around the students of ``flatter`` than around those of ``sharper``.

    Attributes:
        radius: how far away, as a multiple of random directions that are as long as the weights.
    """

    kind: Literal["flatter"]
    flatter: CellText
    sharper: CellText
    radius: float = Field(gt=0)
    radius_from: str


class Start(Strict):
    """Every student of the cell starts from a part of its teacher, never from a model that was imported."""

    kind: Literal["start"]
    cell: CellText


class Demonstration(Strict):
    """A number that code computes with this repository's losses on fixed numbers, against a threshold.

    Attributes:
        of: which one, see :mod:`retort.claims.demonstrations`.
    """

    kind: Literal["demonstration"]
    of: Literal["equal-up-to-rotation", "one-direction", "few-samples", "mean-of-ratios", "unequal-widths"]
    relation: Literal["above", "below"]
    threshold: float
    threshold_from: str


class Unjudged(Strict):
    """Nothing here can judge it; ``reason`` says what would."""

    kind: Literal["unjudged"]
    reason: str


Comparison = Greater | NoWorse | Within | BestOf | Trend | Count
"""Tests of scores."""
Fact = Correlation | Coverage | Size | Cost | SameNetwork | Speed | Flatter | Start | Demonstration | Unjudged
"""Tests of anything else."""
Test = Comparison | Fact
KINDS: dict[str, type[Strict]] = {
    "greater": Greater, "no_worse": NoWorse, "at_least_within": Within, "best_of": BestOf, "trend": Trend,
    "count": Count, "correlation": Correlation, "coverage": Coverage, "size": Size, "cost": Cost,
    "same_network": SameNetwork, "speed": Speed, "flatter": Flatter, "start": Start,
    "demonstration": Demonstration, "unjudged": Unjudged,
}  # fmt: skip
