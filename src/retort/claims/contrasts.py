"""Differences between scores, with intervals, and how much more evidence would decide them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retort.claims.evidence import Sample

if TYPE_CHECKING:
    import numpy as np

LEVEL = 95.0
_Z = 1.96
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of scores, drawn together so that what the scores share cancels.

    Attributes:
        samples: the scores; ``weights``: one each.
    """

    samples: tuple[Sample, ...]
    weights: tuple[float, ...]

    @property
    def value(self) -> float:
        """As observed."""
        return sum(w * sample.value for w, sample in zip(self.weights, self.samples, strict=True))

    @cached_property
    def draws(self) -> np.ndarray:
        """float64 [draws]: other examples and other seeds."""
        return self._sum([sample.examples + sample.shifts for sample in self.samples])

    @property
    def interval(self) -> tuple[float, float]:
        """The middle 95 % of the draws."""
        import numpy as np

        tail = (100 - LEVEL) / 2
        low, high = np.percentile(self.draws, [tail, 100 - tail])
        return float(low), float(high)

    @property
    def seeds_known(self) -> bool:
        """Whether the spread over seeds is known for every score."""
        return all(sample.spread is not None for sample in self.samples)

    @property
    def seeds(self) -> int:
        """Of the score that has the fewest."""
        return min(sample.seeds for sample in self.samples)

    def needed(self, half_width: float) -> str:
        """What would make the interval this narrow, if the effect stayed: seeds, or examples and seeds.

        The variance of the effect is s / seeds + e / examples; both parts are estimated from the run.
        """
        if not self.seeds_known:
            return "2 seeds or more"
        allowed = (half_width / _Z) ** 2
        by_seeds = sum(
            w**2 * sample.spread.variance
            for w, sample in zip(self.weights, self.samples, strict=True)
            if sample.spread is not None
        )
        by_examples = float(self._sum([sample.examples for sample in self.samples]).var())
        if allowed <= 0:
            return f"more than {_MOST_SEEDS:,} seeds"
        times = 1
        if by_examples > 0.9 * allowed:
            times = math.ceil(2 * by_examples / allowed)
        seeds = max(2, math.ceil(by_seeds / (allowed - by_examples / times)))
        if seeds > _MOST_SEEDS:
            return f"more than {_MOST_SEEDS:,} seeds"
        # A few seeds know their spread badly, which the normal quantile leaves out.
        seeds = seeds if seeds > self.seeds or times > 1 else self.seeds + 1
        return f"{seeds} seeds" + (f" and {times} times the dev examples" if times > 1 else "")

    def _sum(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        import numpy as np

        return np.tensordot(np.array(self.weights), np.stack(arrays), axes=1)


def difference(higher: Sample, lower: Sample) -> Contrast:
    """``higher`` minus ``lower``."""
    return Contrast((higher, lower), (1.0, -1.0))


def together(contrasts: Sequence[Contrast]) -> list[tuple[float, float]]:
    """Intervals of several contrasts that all hold at once with 95 % (single-step maximum of |t|).

    A single wrong one among many would refute a claim about all of them, so each has to be wider than
    alone. Of one contrast it is the interval alone.
    """
    import numpy as np

    if len(contrasts) == 1:
        return [contrasts[0].interval]
    values = np.array([contrast.value for contrast in contrasts])
    draws = np.stack([contrast.draws for contrast in contrasts])
    low, high = np.percentile(draws, [2.5, 97.5], axis=1)
    scale = (high - low) / (2 * _Z)
    moved = np.abs(draws - np.median(draws, axis=1, keepdims=True))
    ratios = np.divide(moved, scale[:, None], out=np.zeros_like(draws), where=scale[:, None] > 0)
    width = np.percentile(ratios.max(0), LEVEL) * scale
    return [(float(v - w), float(v + w)) for v, w in zip(values, width, strict=True)]
