"""What scores of several cells say together: the rules behind verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from retort.claims.contrasts import Contrast, difference, together
from retort.claims.evidence import Sample
from retort.claims.published import slope_weights
from retort.claims.verdicts import Finding, Verdict, above

POINTS = "points"


def within(samples: Sequence[Sample], margin: float) -> Finding:
    """The others are what the first is, give or take a margin."""
    contrasts = [difference(other, samples[0]) for other in samples[1:]]
    wide = together(contrasts)
    apart = [i for i, (low, high) in enumerate(wide) if low > margin or high < -margin]
    inside = all(-margin < low and high < margin for low, high in (c.interval for c in contrasts))
    shown = max(apart or range(len(contrasts)), key=lambda i: abs(contrasts[i].value))
    verdict: Verdict = "contradicted" if apart else "supported" if inside else "undecided"
    found = _finding(contrasts[shown], verdict, abs(margin - abs(contrasts[shown].value)))
    if not inside:
        found = replace(found, low=wide[shown][0], high=wide[shown][1])
    return noted(found, f"margin {margin:g} points")


def each(contrasts: Sequence[Contrast], least: float = 0.0) -> tuple[Finding, int]:
    """All contrasts exceed ``least``; also which one decides.

    The interval reported is the one the verdict follows from: its lower end is that of the contrast alone,
    its upper end that of all together.
    """
    lows = [contrast.interval[0] for contrast in contrasts]
    highs = [high for _, high in together(contrasts)]
    verdict: Verdict = "undecided"
    if min(highs) < least:
        verdict = "contradicted"
    elif min(lows) > least:
        verdict = "supported"
    ends = highs if verdict == "contradicted" else lows
    place = ends.index(min(ends))
    found = _finding(contrasts[place], verdict, abs(contrasts[place].value - least))
    return replace(found, high=highs[place]), place


def trend(samples: Sequence[Sample]) -> Finding:
    """Scores rise, and no step goes the other way."""
    slope = Contrast(tuple(samples), tuple(slope_weights(len(samples))))
    low, high = slope.interval
    steps = [difference(after, before) for before, after in pairwise(samples)]
    reversed_steps = sum(high < 0 for _, high in together(steps))
    verdict = "contradicted" if reversed_steps else above(low, high, 0.0)
    found = replace(_finding(slope, verdict, abs(slope.value)), unit="points a step")
    return noted(found, f"{reversed_steps} steps go the other way") if reversed_steps else found


def counted(contrasts: Sequence[Contrast], least: int, missing: int) -> Finding:
    """At least so many are positive, of these and ``missing`` more that were not run."""
    ends = together(contrasts)
    low = sum(low > 0 for low, _ in ends)
    high = missing + len(ends) - sum(high < 0 for _, high in ends)
    number = sum(contrast.value > 0 for contrast in contrasts)
    verdict: Verdict = "supported" if low >= least else "contradicted" if high < least else "undecided"
    shown = min(contrasts, key=lambda contrast: abs(contrast.value))
    found = _finding(shown, verdict, abs(shown.value))
    return replace(
        found, effect=float(number), low=float(low), high=float(high), unit=f"of {len(ends) + missing}"
    )


def _finding(contrast: Contrast, verdict: Verdict, half_width: float) -> Finding:
    """A finding on one contrast; capped where nothing is known about seeds."""
    low, high = contrast.interval
    note = ""
    if not contrast.seeds_known:
        verdict, note = "undecided", "one seed: spread over seeds unknown"
    elif contrast.seeds == 1:
        note = "one seed: spread over seeds taken from other rows"
    needed = contrast.needed(half_width) if verdict == "undecided" else ""
    return Finding(verdict, contrast.value, low, high, POINTS, contrast.seeds, needed, note)


def noted(found: Finding, *notes: str) -> Finding:
    """The same with more to say; empty notes are left out."""
    return replace(found, note="; ".join(note for note in (found.note, *notes) if note))
