"""Schedules: pure functions of the training clock, so that a resumed run repeats them exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Clock:
    """Where a run is.

    Attributes:
        step: finished updates; ``total``: updates of the whole run; ``epoch``: finished passes
            over the data (0 in pretraining).
    """

    step: int
    total: int
    epoch: int = 0

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / self.total


class Schedule(Protocol):
    """A number that depends on the clock alone."""

    def __call__(self, clock: Clock) -> float:
        """The value at a moment."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value at every step."""

    value: float

    def __call__(self, clock: Clock) -> float:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """From ``start`` to ``end`` over the first ``until`` of the run, then ``end``."""

    start: float
    end: float
    until: float = 1.0

    def __call__(self, clock: Clock) -> float:
        """Interpolate."""
        share = min(1.0, clock.progress / self.until)
        return self.start + (self.end - self.start) * share


Weight = float | Schedule


def value_of(weight: Weight, clock: Clock) -> float:
    """A weight at a moment, whether it is a number or a schedule."""
    return weight(clock) if callable(weight) else weight
