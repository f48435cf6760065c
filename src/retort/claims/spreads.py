"""How much scores vary from one training seed to the next, learnt from all rows of a run together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_FEWEST_ROWS = 3
_LEAST_SHARE = 1e-5


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
    Genetics and Molecular Biology 3(1), section 6.2).

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
        if own < 1 or np.isinf(self.prior.freedom):
            return Spread(self.prior.variance, min(self.prior.freedom, self.total))
        together = self.prior.freedom + own
        squares = self.prior.freedom * self.prior.variance + own * float(np.var(values, ddof=1))
        return Spread(squares / together, min(together, self.total))


def pool(rows: Sequence[Sequence[float]]) -> Pool | None:
    """Learn the variance between seeds from rows of scores; ``None`` where no row has two seeds."""
    import numpy as np

    several = [row for row in rows if len(row) > 1]
    if not several:
        return None
    variances = np.array([np.var(row, ddof=1) for row in several])
    freedoms = np.array([len(row) - 1.0 for row in several])
    total = float(freedoms.sum())
    common = Spread(float((variances * freedoms).sum() / total), np.inf)
    if len(several) < _FEWEST_ROWS or not np.median(variances) > 0:
        return Pool(common, total)
    return Pool(_prior(variances, freedoms) or common, total)


def _prior(variances: np.ndarray, freedoms: np.ndarray) -> Spread | None:
    """Common variance and its weight by the moments of log variances; ``None`` where rows do not differ."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    floored = np.maximum(variances, _LEAST_SHARE * np.median(variances))
    logs = np.log(floored) - digamma(freedoms / 2) + np.log(freedoms / 2)
    excess = logs.var(ddof=1) - polygamma(1, freedoms / 2).mean()
    if excess <= 0:
        return None
    half = float(np.exp(brentq(lambda u: polygamma(1, np.exp(u)) - excess, -25.0, 25.0)))
    return Spread(float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half)
