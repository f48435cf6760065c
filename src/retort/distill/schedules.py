"""Schedules: pure functions of the training clock, so that a resumed run repeats them exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Clock:
    """Where a run is.

    Attributes:
        step: finished updates; ``total``: updates of the whole run.
        epoch: finished passes over the data (0 in pretraining).
        seed: of the run; whatever is drawn at random is drawn from it and the moment.
    """

    step: int
    total: int
    epoch: int = 0
    seed: int = 0

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / self.total

    def draw(self, purpose: str, each: str = "step") -> Random:
        """A generator for one purpose: another one each ``step`` or each ``epoch``."""
        return Random(f"{self.seed}/{purpose}/{self.step if each == 'step' else self.epoch}")


@dataclass(frozen=True)
class Place:
    """Which of a student's layers a weight is for; terms without layers have layer -1.

    ``pairs`` is the number of layer pairs that the term compares at this moment.
    """

    layer: int = -1
    layers: int = 0
    pairs: int = 1


class Schedule:
    """A number that depends on the clock and, for curricula, on the layer."""

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The value at a moment."""
        raise NotImplementedError

    def __mul__(self, factor: float) -> Schedule:
        if not isinstance(factor, int | float):
            return NotImplemented  # an objective knows how to be multiplied by a schedule
        return Scaled(self, factor)

    __rmul__ = __mul__


@dataclass(frozen=True)
class Scaled(Schedule):
    """A schedule times a constant."""

    schedule: Schedule
    factor: float

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The scaled value."""
        return self.factor * self.schedule(clock, place)


@dataclass(frozen=True)
class Complement(Schedule):
    """1 minus a schedule."""

    schedule: Schedule

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """What is left of 1."""
        return 1.0 - self.schedule(clock, place)


@dataclass(frozen=True)
class Linear(Schedule):
    """From ``start`` to ``end`` over the first ``until`` of the run, then ``end``."""

    start: float
    end: float
    until: float = 1.0

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """Interpolate."""
        share = min(1.0, clock.progress / self.until)
        return self.start + (self.end - self.start) * share


@dataclass(frozen=True)
class Steps(Schedule):
    """1/n, 2/n, .., 1 in n equal parts of the run (Annealing-KD, Jafari et al., 2021, eq. 3)."""

    number: int

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The height of the present step."""
        left = max(1, math.ceil((1 - clock.progress) * self.number))
        return 1 - (left - 1) / self.number


@dataclass(frozen=True)
class RampThenOne(Schedule):
    """Progress times ``slope`` until ``cut`` of the run, 1 after it (Continuation-KD)."""

    slope: float
    cut: float

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The value of the ramp."""
        return clock.progress * self.slope if clock.progress <= self.cut else 1.0


@dataclass(frozen=True)
class Curriculum(Schedule):
    """One more layer at a time, from the bottom: L + 1 equal phases over ``until`` of the run.

    In phase n layer n weighs 1, layers below it ``past``, layers above it 0; in the last phase
    every layer weighs ``after``. SID: (1, 1, 0); MobileBERT: (0.8, 0.1, 1). The phase is a
    function of the clock; the authors count it and lose the count on a restart.
    """

    until: float
    past: float
    after: float

    def phase(self, clock: Clock, layers: int) -> int:
        """Number of the present phase, 1 to layers + 1."""
        phases = layers + 1
        return min(phases, 1 + math.floor(clock.progress * phases / self.until + 1e-9))

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The weight of a layer."""
        phase = self.phase(clock, place.layers)
        if phase > place.layers:
            return self.after
        if place.layer > phase:
            return 0.0
        return 1.0 if place.layer == phase else self.past

    @property
    def task(self) -> AfterCurriculum:
        """The companion that is silent until the last phase."""
        return AfterCurriculum(self)


@dataclass(frozen=True)
class AfterCurriculum(Schedule):
    """0 until a curriculum has reached its last phase, then 1."""

    curriculum: Curriculum

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """Whether the last phase has begun."""
        return float(self.curriculum.phase(clock, place.layers) > place.layers)


@dataclass(frozen=True)
class MeanOverPairs(Schedule):
    """One over the number of layer pairs: a term's sum over layers becomes their mean."""

    def __call__(self, clock: Clock, place: Place = Place()) -> float:
        """The share of one pair."""
        return 1.0 / place.pairs


Weight = float | Schedule


def value_of(weight: Weight, clock: Clock, place: Place = Place()) -> float:
    """A weight at a moment, whether it is a number or a schedule."""
    return weight(clock, place) if isinstance(weight, Schedule) else weight
