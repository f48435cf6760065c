"""Claims that no score decides: correlations behind figures, word frequencies, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.evidence import Evidence, trained_rows
from retort.claims.kinds import Cell, Correlation, Coverage, Size
from retort.claims.places import groups
from retort.claims.probes import STRONGEST, probed
from retort.claims.series import Correlated, covered, read_correlations, wanted
from retort.claims.spreads import Pool, pool
from retort.claims.verdicts import Finding, Verdict, above, not_run
from retort.files import read_json
from retort.reporting.scores import select

if TYPE_CHECKING:
    from retort.reporting.results import Results

_Z = 1.96


def judge_correlation(test: Correlation, figures: Path, evidence: Evidence) -> Finding:
    """Compare rank correlations with a threshold.

    Evidence is over seeds: the points of one run follow each other and are not independent. Of one pair of
    series the interval is that of the mean, its spread learnt from all methods of the figure
    (:mod:`retort.claims.spreads`). Of the features it is a range: those whose correlation is zero or
    negative in every seed, and in any.
    """
    if test.figure == "probes":
        return _probes(test, evidence)
    everywhere = wanted(test, read_correlations(figures / f"{test.figure}.csv"))
    found = [correlated for correlated in everywhere if correlated.cell == test.cell]
    if not found:
        return Finding("not run", note=f"{test.figure} has no such correlation for {test.cell}")
    if test.of == "features":
        return _share(test, found)
    rows = {correlated.cell: _scores(correlated.rhos) for correlated in everywhere}
    return _mean(test, rows[test.cell], pool(list(rows.values())))


def _probes(test: Correlation, evidence: Evidence) -> Finding:
    """Of the CKA distances of runs, on all pairs that are meant."""
    everywhere = probed(test.against, test.stage, evidence)
    cells = [cell for (cell,) in groups((test.cell,), evidence)]
    rhos = [rho for cell in cells for rho in everywhere.get(cell, ())]
    if not rhos:
        return Finding("not run", note=f"no {test.stage} run of {test.cell} has measured distances")
    found = _mean(test, _scores(rhos), pool([_scores(known) for known in everywhere.values()]))
    note = f"{test.stage} runs, mean over layers of hidden states"
    return replace(found, note="; ".join(text for text in (found.note, note) if text))


def _share(test: Correlation, found: list[Correlated]) -> Finding:
    """Of the features, those that do not fall with the other series."""
    seeds = min(len(correlated.rhos) for correlated in found)
    if seeds == 1:
        return _one_seed(_not_positive(found, _middle), "share")
    low, high = _not_positive(found, max), _not_positive(found, min)
    note = f"of {len(found)} features; range: in every seed, in any"
    return Finding(
        _verdict(test, low, high), _not_positive(found, _middle), low, high, "share", seeds, note=note
    )


def _not_positive(found: list[Correlated], of_seeds: Callable[[Sequence[float]], float]) -> float:
    return sum(of_seeds(correlated.rhos) <= 0 for correlated in found) / len(found)


def _scores(rhos: Sequence[float]) -> list[float]:
    """Fisher's z, on which correlations vary alike whether strong or weak."""
    return [math.atanh(min(max(rho, -STRONGEST), STRONGEST)) for rho in rhos]


def _mean(test: Correlation, scores: Sequence[float], known: Pool | None) -> Finding:
    """Of one pair of series, the mean over seeds on Fisher's scale."""
    from scipy.stats import t

    mean, number = _middle(scores), len(scores)
    if known is None:
        return _one_seed(math.tanh(mean), "rho")
    spread = known.spread(scores)
    half = float(t.ppf(0.975, spread.freedom)) * math.sqrt(spread.variance / number)
    effect, low, high = (math.tanh(mean + move) for move in (0, -half, half))
    verdict = _verdict(test, low, high)
    gap = abs(mean - _scores([test.threshold])[0])
    seeds = math.ceil(spread.variance * (_Z / gap) ** 2) if gap else 0
    needed = f"{max(seeds, number + 1):,} seeds" if verdict == "undecided" and seeds else ""
    note = "one seed: spread over seeds taken from other methods" if number == 1 else ""
    return Finding(verdict, effect, low, high, "rho", number, needed, note)


def _verdict(test: Correlation, low: float, high: float) -> Verdict:
    above_it = test.relation == "above"
    return above(low, high, test.threshold) if above_it else above(-high, -low, -test.threshold)


def _one_seed(effect: float, unit: str) -> Finding:
    note = "one seed: spread over seeds unknown"
    return Finding("undecided", effect, unit=unit, seeds=1, needed="2 seeds or more", note=note)


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def judge_coverage(test: Coverage, figures: Path) -> Finding:
    """Count: the least share, over the texts, that the most frequent words make up."""
    shares = covered(test, figures / "figure3.csv")
    if not shares:
        return Finding("not run", note="figure3 has no such text")
    least = min(shares, key=shares.__getitem__)
    verdict = above(shares[least], shares[least], test.least)
    note = "a count over the whole text, no sample"
    if len(shares) > 1:
        note += f"; least of {len(shares)} texts: {least}"
    return Finding(verdict, shares[least], unit="share", note=note)


def judge_size(test: Size, results: Results) -> Finding:
    """Ratio of the parameters of two word tables, counted from the students' architectures."""
    sizes = {cell: _word_table(cell, results) for cell in (test.smaller, test.larger)}
    missing = [cell for cell, size in sizes.items() if size is None]
    if missing:
        return not_run(missing)
    smaller, larger = sizes[test.smaller], sizes[test.larger]
    assert smaller is not None and larger is not None
    ratio = smaller / larger
    verdict = above(-ratio, -ratio, -test.at_most)
    return Finding(verdict, ratio, unit="ratio", note=f"{smaller:,} of {larger:,}, counted")


def _word_table(cell: Cell, results: Results) -> int | None:
    stages = select(trained_rows(results), method=cell.method, pair=cell.pair)["stage"].tolist()
    if not stages:
        return None
    configs = sorted(results.stage(stages[0]).glob("tasks/*/config.json"))
    if not configs:
        return None
    config = read_json(configs[0])
    return int(config["vocab"]) * int(config.get("factorised") or config["width"])
