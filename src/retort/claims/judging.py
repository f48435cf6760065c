"""What a finished run says to a claim: supported, contradicted, undecided, or not run.

The rule. A claim about scores is *supported* where the 95 % interval of its effect lies wholly where the
claim puts it, *contradicted* where it lies wholly elsewhere, else *undecided*. Claims about several cells
are supported where every one of their intervals is (no correction: all have to hold), and contradicted by
one interval that is elsewhere, widened so that all hold at once. The interval covers dev examples and
training seeds (:mod:`retort.claims.evidence`). Where no row of the run has two seeds, the spread over seeds
is unknown, the interval covers the examples only, and a verdict on scores is *undecided* whatever it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.contrasts import Contrast, difference, together
from retort.claims.evidence import DRAWS, Evidence, Sample
from retort.claims.facts import judge_correlation, judge_coverage, judge_size
from retort.claims.ledger import (
    BestOf,
    Cell,
    Claim,
    Comparison,
    Correlation,
    Count,
    Coverage,
    Greater,
    Size,
    Trend,
    Within,
    cells_of,
    read_ledger,
)
from retort.claims.published import PaperScores, slope_weights
from retort.claims.verdicts import Finding, Verdict, above, not_run
from retort.config.messages import nearest
from retort.errors import InputError
from retort.recipes.glmd_variants import VARIANTS

if TYPE_CHECKING:
    from retort.reporting.results import Results

POINTS = "points"
Rule = Callable[[list[Sample]], Finding]


@dataclass(frozen=True)
class Judgement:
    """A claim, what a run says to it, and the effect that the paper's numbers show."""

    claim: Claim
    finding: Finding
    published: float | None


def judge(results: Results, ledger: Path, draws: int = DRAWS) -> list[Judgement]:
    """Judge every claim of a ledger, in its order; the same results give the same verdicts.

    Raises:
        InputError: the ledger does not hold or names unknown cells, or predictions are missing or not those
            behind the scores.
    """
    claims = read_ledger(ledger)
    _check_known(claims, results, ledger)
    judges = Judges(results, draws)
    return [Judgement(claim, judges.finding(claim), judges.published(claim)) for claim in claims]


def _check_known(claims: Sequence[Claim], results: Results, ledger: Path) -> None:
    """A misspelt cell would only ever be "not run", so each has to be the paper's, a variant or the run's."""
    rows = results.published_table("table3")
    methods = {*rows["method"], *results.scores["method"], *(variant.method.name for variant in VARIANTS)}
    pairs = {*rows["config"], *results.scores["pair"], *results.config.pairs}
    for claim in claims:
        for cell in cells_of(claim.test):
            if cell.method not in methods:
                remedy = nearest(cell.method, sorted(methods))
                raise InputError(f"{ledger}: claim {claim.id}: no method {cell.method!r}; {remedy}")
            if cell.pair not in pairs:
                remedy = nearest(cell.pair, sorted(pairs - {""}))
                raise InputError(f"{ledger}: claim {claim.id}: no pair {cell.pair!r}; {remedy}")


class Judges:
    """Judges claims on one run.

    Args:
        results: of the run; the figures have been drawn.
        draws: of examples and seeds.
    """

    def __init__(self, results: Results, draws: int = DRAWS) -> None:
        self._results = results
        self._evidence = Evidence(results, draws)
        self._paper = PaperScores(results)
        self._figures = results.root / results.paper / "figures"

    def finding(self, claim: Claim) -> Finding:
        """What the run says."""
        test = claim.test
        if isinstance(test, Correlation):
            return judge_correlation(test, self._figures)
        if isinstance(test, Coverage):
            return judge_coverage(test, self._figures)
        if isinstance(test, Size):
            return judge_size(test, self._results)
        return self._scores(test)

    def published(self, claim: Claim) -> float | None:
        """The effect that the paper's numbers show; ``None`` where they are not printed."""
        test = claim.test
        if isinstance(test, Correlation | Coverage | Size):
            return claim.published
        return self._paper.effect(test)

    def _scores(self, test: Comparison) -> Finding:
        if isinstance(test, Greater):
            return self._complete([test.higher, test.lower], test, _greater)
        if isinstance(test, Trend):
            return self._complete(test.rising, test, _trend)
        if isinstance(test, Within):
            return self._complete([test.reference, *test.cells], test, lambda s: _within(s, test.margin))
        if isinstance(test, BestOf):
            return self._best(test)
        return self._count(test)

    def _complete(self, cells: Sequence[Cell], test: Comparison, rule: Rule) -> Finding:
        """Apply a rule that needs all cells."""
        samples = {cell: self._evidence.sample(cell, test.score) for cell in cells}
        missing = [cell for cell, sample in samples.items() if sample is None]
        return not_run(missing) if missing else rule([s for s in samples.values() if s is not None])

    def _best(self, test: BestOf) -> Finding:
        rest = self._paper.rivals(test)
        best = self._evidence.sample(test.best, test.score)
        rivals = {cell: self._evidence.sample(cell, test.score) for cell in rest}
        ran = {cell: sample for cell, sample in rivals.items() if sample is not None}
        if best is None or not ran:
            return not_run([test.best] if best is None else list(rest))
        contrasts = [difference(best, rival) for rival in ran.values()]
        found, place = _each(contrasts)
        notes = [f"closest of {len(ran)}: {list(ran)[place].method}"] if len(ran) > 1 else []
        if len(ran) < len(rest):
            notes.append(f"{len(ran)} of {len(rest)} rivals were run")
            if found.verdict == "supported":
                found = replace(found, verdict="undecided", needed="the rivals that were not run")
        return _noted(found, *notes)

    def _count(self, test: Count) -> Finding:
        contrasts = []
        for higher, lower in test.comparisons:
            pair = [self._evidence.sample(cell, test.score) for cell in (higher, lower)]
            if pair[0] is not None and pair[1] is not None:
                contrasts.append(difference(pair[0], pair[1]))
        if not contrasts:
            return not_run([cell for pair in test.comparisons for cell in pair])
        missing = len(test.comparisons) - len(contrasts)
        found = _counted(contrasts, test.least, missing)
        return (
            _noted(found, f"{len(contrasts)} of {len(test.comparisons)} comparisons were run")
            if missing
            else found
        )


def _greater(samples: list[Sample]) -> Finding:
    contrast = difference(samples[0], samples[1])
    low, high = contrast.interval
    return _finding(contrast, above(low, high, 0.0), abs(contrast.value))


def _within(samples: list[Sample], margin: float) -> Finding:
    contrasts = [difference(other, samples[0]) for other in samples[1:]]
    wide = together(contrasts)
    apart = [i for i, (low, high) in enumerate(wide) if low > margin or high < -margin]
    inside = all(-margin < low and high < margin for low, high in (c.interval for c in contrasts))
    shown = max(apart or range(len(contrasts)), key=lambda i: abs(contrasts[i].value))
    verdict: Verdict = "contradicted" if apart else "supported" if inside else "undecided"
    found = _finding(contrasts[shown], verdict, abs(margin - abs(contrasts[shown].value)))
    if not inside:
        found = replace(found, low=wide[shown][0], high=wide[shown][1])
    return _noted(found, f"margin {margin:g} points")


def _each(contrasts: Sequence[Contrast]) -> tuple[Finding, int]:
    """All contrasts are positive; also which one decides.

    The interval reported is the one the verdict follows from: its lower end is that of the contrast alone,
    its upper end that of all together.
    """
    lows = [contrast.interval[0] for contrast in contrasts]
    highs = [high for _, high in together(contrasts)]
    verdict: Verdict = "contradicted" if min(highs) < 0 else "supported" if min(lows) > 0 else "undecided"
    ends = highs if verdict == "contradicted" else lows
    place = ends.index(min(ends))
    found = _finding(contrasts[place], verdict, abs(contrasts[place].value))
    return replace(found, high=highs[place]), place


def _trend(samples: list[Sample]) -> Finding:
    slope = Contrast(tuple(samples), tuple(slope_weights(len(samples))))
    low, high = slope.interval
    steps = [difference(after, before) for before, after in pairwise(samples)]
    reversed_steps = sum(high < 0 for _, high in together(steps))
    verdict = "contradicted" if reversed_steps else above(low, high, 0.0)
    found = replace(_finding(slope, verdict, abs(slope.value)), unit="points a step")
    return _noted(found, f"{reversed_steps} steps go the other way") if reversed_steps else found


def _counted(contrasts: Sequence[Contrast], least: int, missing: int) -> Finding:
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


def _noted(found: Finding, *notes: str) -> Finding:
    return replace(found, note="; ".join(note for note in (found.note, *notes) if note))
