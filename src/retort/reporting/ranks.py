"""Rank correlation of two series of one training run, and when it is more than chance."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FEWEST = 3
"""Points below which no correlation is told."""
_EXACT = 100_000
_DRAWS = 20_000


def shifted_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Spearman's correlation of ``y`` with ``x`` moved round by 0, 1, .. n - 1 steps.

    Args:
        x, y: [n], both at the same steps, in order; steps where either is not finite are left out.

    Returns:
        [n], the correlation proper first; ``None`` for fewer than three points or a constant series.
    """
    import numpy as np
    from scipy.stats import rankdata

    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < FEWEST:
        return None
    ranks = [rankdata(series[both]) for series in (x, y)]
    one, other = (rank - rank.mean() for rank in ranks)
    size = np.linalg.norm(one) * np.linalg.norm(other)
    if size == 0:
        return None
    moved = (np.arange(len(one))[:, None] + np.arange(len(one))) % len(one)
    found: np.ndarray = one[moved] @ other / size
    return found.clip(-1, 1)


def shift_test(runs: Sequence[np.ndarray]) -> float:
    """Two-sided p value of the mean correlation over runs.

    Neighbouring steps of a run resemble each other, so the usual test of a rank correlation, which takes
    points for independent, finds something in nearly every pair of series. Here each run's ``x`` is moved
    round by a random number of steps: both series keep their own course, only their alignment is lost.

    Args:
        runs: what :func:`shifted_correlations` gives for each run.
    """
    import numpy as np

    least = abs(sum(float(run[0]) for run in runs)) - 1e-12
    if math.prod(map(len, runs)) <= _EXACT:
        return float((np.abs(functools.reduce(np.add.outer, runs)) >= least).mean())
    random = np.random.default_rng(0)
    sums = sum(run[random.integers(len(run), size=_DRAWS)] for run in runs)
    return float((1 + (np.abs(sums) >= least).sum()) / (1 + _DRAWS))
