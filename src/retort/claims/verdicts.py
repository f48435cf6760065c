"""What is said about one claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retort.claims.kinds import Cell

Verdict = Literal["supported", "contradicted", "undecided", "not run"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "undecided", "not run")
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """A verdict with the numbers behind it.

    Attributes:
        effect, low, high: as observed, and its 95 % interval; ``None`` where there is none.
        unit: of the effect.
        seeds: of the score that has the fewest; ``None`` where seeds play no part.
        needed: what would decide the claim if the effect stayed as it is; empty where it is decided.
        note: one sentence or more for the reader.
    """

    verdict: Verdict
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    seeds: int | None = None
    needed: str = ""
    note: str = ""


def not_run(missing: Sequence[Cell]) -> Finding:
    """For a claim whose cells this run does not have."""
    names = list(dict.fromkeys(map(str, missing)))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Finding("not run", note=f"not run at this scale: {', '.join(names[:_NAMED])}{more}")


def above(low: float, high: float, threshold: float) -> Verdict:
    """Whether an interval shows that something exceeds a threshold."""
    if low > threshold:
        return "supported"
    return "contradicted" if high < threshold else "undecided"
