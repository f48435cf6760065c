"""Times of alternatives, taken in turns so that the machine's moods cancel."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any, TypeVar

B = TypeVar("B")


def alternate(
    steps: Sequence[Callable[[B], object]],
    batches: Sequence[B],
    repeats: int,
    warm_up: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds of each kind of step, in turns on the same batches, the first ``warm_up`` of each left out."""
    took: list[list[float]] = [[] for _ in steps]
    for number, batch in enumerate(islice(cycle(batches), warm_up + repeats)):
        for index, step in _rotated(list(enumerate(steps)), number):
            started = clock()
            step(batch)
            if number >= warm_up:
                took[index].append(clock() - started)
    return took


def _rotated(items: list[Any], by: int) -> Iterator[Any]:
    cut = by % len(items)
    yield from items[cut:]
    yield from items[:cut]


def ratio(took: Sequence[float], floor: Sequence[float]) -> float:
    """Median of the ratios of neighbours in time."""
    return statistics.median(a / b for a, b in zip(took, floor, strict=True))
