"""How much scores vary from one training seed to the next, learnt from all rows of a run together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_FEWEST_ROWS = 3
_LEAST_SHARE = 1e-4
_WEIGHTS = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0)
"""Degrees of freedom that the common variance may be worth: from rows that differ much to rows all alike."""


@dataclass(frozen=True)
class Spread:
    """A variance between seeds and the degrees of freedom with which it is known."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Pool:
    """What all rows say about the variance between seeds.

    With two or three seeds a row's own variance is hardly known: the variance of two values has one
    degree of freedom, and resampling two seeds has three outcomes with half the true variance. Yet all
    rows are trained alike, so each row's variance is drawn towards the common one, the more the less the
    rows differ in their variances ("moderated" variances: Smyth, 2004, Statistical Applications in
    Genetics and Molecular Biology 3(1)).

    Attributes:
        prior: the common variance and how many degrees of freedom it is worth beside a row's own.
        total: degrees of freedom of all rows; nothing is known better than that.
    """

    prior: Spread
    total: float

    def spread(self, values: Sequence[float]) -> Spread:
        """The moderated variance of a row from its scores, one a seed; of one seed alone: the prior."""
        import numpy as np

        own = len(values) - 1
        squares = own * float(np.var(values, ddof=1)) if own > 0 else 0.0
        freedom = self.prior.freedom + own
        variance = (self.prior.freedom * self.prior.variance + squares) / freedom
        return Spread(variance, min(freedom, self.total))


def pool(rows: Sequence[Sequence[float]]) -> Pool | None:
    """Learn the variance between seeds from rows of scores; ``None`` where no row has two seeds."""
    import numpy as np

    several = [row for row in rows if len(row) > 1]
    if not several:
        return None
    variances = np.array([np.var(row, ddof=1) for row in several])
    freedoms = np.array([len(row) - 1.0 for row in several])
    total = float(freedoms.sum())
    common = float((variances * freedoms).sum() / total)
    if len(several) < _FEWEST_ROWS or common == 0:
        return Pool(Spread(common, _WEIGHTS[-1]), total)
    return Pool(_likeliest(np.maximum(variances, _LEAST_SHARE * common), freedoms, common), total)


def _likeliest(variances: np.ndarray, freedoms: np.ndarray, common: float) -> Spread:
    """Maximum likelihood: variance / prior variance follows F(own freedom, prior freedom).

    Smyth's moments of log variances are no use here: of two seeds, one pair that happens to be equal
    has a log variance so low that it alone makes all rows look different.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.stats import f

    found = []
    for weight in _WEIGHTS:

        def cost(log: float, weight: float = weight) -> float:
            scaled = variances / np.exp(log)
            return -float((f.logpdf(scaled, freedoms, weight) - log).sum())

        best = minimize_scalar(cost, bounds=np.log(common) + np.array([-12.0, 3.0]), method="bounded")
        found.append((float(best.fun), -weight, float(np.exp(best.x))))
    _, weight, variance = min(found)
    return Spread(variance, -weight)
