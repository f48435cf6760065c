"""Means and spreads over training seeds, and when a mean says nothing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

NEAR_POINTS = 3.0
NEAR_SPREADS = 2.0


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation (n - 1) and number of some values; ``None`` where undefined."""

    mean: float | None
    sd: float | None
    n: int

    @property
    def text(self) -> str:
        """As tables show it: ``63.1 ± 2.0``, without spread for a single value, empty for none."""
        if self.mean is None:
            return ""
        return f"{self.mean:.1f}" if self.sd is None else f"{self.mean:.1f} ± {self.sd:.1f}"

    @property
    def signed_text(self) -> str:
        """The same of differences: ``+1.2 ± 0.4``, with a true minus sign."""
        text = self.text if self.mean is None or self.text.startswith("-") else f"+{self.text}"
        return text.replace("-", "−")


def summarise(values: Sequence[float]) -> Summary:
    """Summary of values, one for each seed."""
    mean = statistics.fmean(values) if values else None
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Summary(mean, sd, len(values))


def near_baseline(summary: Summary, baseline: float | None) -> bool:
    """Whether a mean fails to stand out above what a model that knows nothing scores.

    True where it is less than three points or less than two standard deviations above the baseline,
    or below it. False where either is unknown.
    """
    if summary.mean is None or baseline is None:
        return False
    return summary.mean - baseline < max(NEAR_POINTS, NEAR_SPREADS * (summary.sd or 0.0))
