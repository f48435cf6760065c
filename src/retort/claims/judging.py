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
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.contrasts import Contrast, difference
from retort.claims.demonstrations import judge_demonstration
from retort.claims.evidence import DRAWS, Evidence, Sample
from retort.claims.facts import judge_correlation, judge_coverage, judge_size
from retort.claims.flatness import judge_flatness
from retort.claims.kinds import (
    BestOf,
    Cell,
    Comparison,
    Correlation,
    Cost,
    Count,
    Coverage,
    Demonstration,
    Fact,
    Flatter,
    Greater,
    NoWorse,
    SameNetwork,
    Size,
    Speed,
    Start,
    Trend,
    Unjudged,
    Within,
)
from retort.claims.known import check_known
from retort.claims.ledger import Claim, read_ledger
from retort.claims.machines import judge_cost, judge_network, judge_speed, judge_start
from retort.claims.places import groups
from retort.claims.published import PaperScores
from retort.claims.rules import counted, each, noted, trend, within
from retort.claims.verdicts import Finding, not_run

if TYPE_CHECKING:
    from retort.reporting.results import Results

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
    claims = read_ledger(ledger, results.paper)
    check_known(claims, results, ledger)
    judges = Judges(results, draws)
    return [Judgement(claim, judges.finding(claim), judges.published(claim)) for claim in claims]


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
        return self._scores(test) if isinstance(test, Comparison) else self._fact(test)

    def published(self, claim: Claim) -> float | None:
        """The effect that the paper's numbers show, else the one its ledger holds; ``None``: not printed."""
        test = claim.test
        shown = self._paper.effect(test) if isinstance(test, Comparison) else None
        return claim.published if shown is None else shown

    def _fact(self, test: Fact) -> Finding:
        if isinstance(test, Correlation):
            return judge_correlation(test, self._figures, self._evidence)
        if isinstance(test, Coverage):
            return judge_coverage(test, self._figures)
        if isinstance(test, Size):
            return judge_size(test, self._results)
        if isinstance(test, Cost):
            return judge_cost(test, self._evidence)
        if isinstance(test, SameNetwork):
            return judge_network(test, self._evidence)
        if isinstance(test, Speed):
            return judge_speed(test, self._results)
        if isinstance(test, Flatter):
            return judge_flatness(test, self._results, self._evidence)
        if isinstance(test, Start):
            return judge_start(test, self._evidence)
        if isinstance(test, Demonstration):
            return judge_demonstration(test)
        assert isinstance(test, Unjudged)
        return Finding("not run", note=test.reason)

    def _scores(self, test: Comparison) -> Finding:
        if isinstance(test, Greater):
            return self._differences(test, (test.higher, test.lower))
        if isinstance(test, NoWorse):
            found = self._differences(test, (test.cell, test.reference), -test.margin)
            return noted(found, f"margin {test.margin:g} points")
        if isinstance(test, Trend):
            return self._complete(test.rising, test, trend)
        if isinstance(test, Within):
            return self._complete([test.reference, *test.cells], test, lambda s: within(s, test.margin))
        if isinstance(test, BestOf):
            return self._best(test)
        return self._count(test)

    def _differences(self, test: Greater | NoWorse, cells: tuple[Cell, Cell], least: float = 0.0) -> Finding:
        """The first minus the second exceeds ``least``, wherever both ran."""
        pairs = groups(cells, self._evidence)
        found = {pair: self._difference(pair, test) for pair in pairs}
        ran = {pair: contrast for pair, contrast in found.items() if contrast is not None}
        if not ran:
            return not_run(self._missing(pairs[0] if pairs else cells, test))
        finding, place = each(list(ran.values()), least)
        decided = list(ran)[place]
        shown = f"closest of {len(ran)} pairs: {decided[0].pair}" if len(ran) > 1 else ""
        if not shown and pairs != [cells]:
            shown = f"at {' and '.join(dict.fromkeys(cell.pair for cell in decided))}"
        return noted(finding, shown, self._over(decided, test))

    def _difference(self, cells: Sequence[Cell], test: Comparison) -> Contrast | None:
        higher, lower = self._evidence.samples(cells, test.score)
        return None if higher is None or lower is None else difference(higher, lower)

    def _missing(self, cells: Sequence[Cell], test: Comparison) -> list[Cell]:
        samples = self._evidence.samples(cells, test.score)
        return [cell for cell, sample in zip(cells, samples, strict=True) if sample is None]

    def _over(self, cells: Sequence[Cell], test: Comparison) -> str:
        """Which tasks an average is over, where not all cells have the same."""
        shared = self._evidence.shared(cells, test.score)
        if all(self._evidence.had(cell, test.score) == shared for cell in cells):
            return ""
        return f"over the tasks that all have: {', '.join(shared)}"

    def _complete(self, cells: Sequence[Cell], test: Comparison, rule: Rule) -> Finding:
        """Apply a rule that needs all cells."""
        placed = groups(cells, self._evidence)
        if not placed:
            return not_run(cells)
        (chosen,) = placed
        missing = self._missing(chosen, test)
        samples = [s for s in self._evidence.samples(chosen, test.score) if s is not None]
        return not_run(missing) if missing else noted(rule(samples), self._over(chosen, test))

    def _best(self, test: BestOf) -> Finding:
        placed = groups((test.best, *self._paper.rivals(test)), self._evidence)
        if not placed:
            return not_run([test.best])
        best, *rest = placed[0]
        contrasts = {rival: self._difference((best, rival), test) for rival in rest}
        ran = {rival: contrast for rival, contrast in contrasts.items() if contrast is not None}
        if not ran:
            alone = self._evidence.samples((best,), test.score)
            return not_run([best] if alone == [None] else rest)
        found, place = each(list(ran.values()))
        notes = [f"closest of {len(ran)}: {list(ran)[place].method}"] if len(ran) > 1 else []
        if len(ran) < len(rest):
            notes.append(f"{len(ran)} of {len(rest)} rivals were run")
            if found.verdict == "supported":
                found = replace(found, verdict="undecided", needed="the rivals that were not run")
        return noted(found, *notes, self._over((best, list(ran)[place]), test))

    def _count(self, test: Count) -> Finding:
        every = [self._difference(pair, test) for pair in test.comparisons]
        contrasts = [contrast for contrast in every if contrast is not None]
        if not contrasts:
            return not_run([cell for pair in test.comparisons for cell in pair])
        missing = len(every) - len(contrasts)
        found = counted(contrasts, test.least, missing)
        return noted(found, f"{len(contrasts)} of {len(every)} comparisons were run" if missing else "")
