"""Claims that no score decides: correlations behind figures, word frequencies, sizes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.ledger import Cell, Correlation, Coverage, Size
from retort.claims.series import by_cell, covered, read_correlations
from retort.claims.spreads import pool
from retort.claims.verdicts import Finding, above, not_run
from retort.files import read_json
from retort.reporting.scores import select

if TYPE_CHECKING:
    from retort.reporting.results import Results

_Z = 1.96


def judge_correlation(test: Correlation, figures: Path) -> Finding:
    """Compare a statistic of rank correlations with a threshold.

    The interval is over seeds: the points of one run follow each other and are no independent evidence.
    The spread over seeds is learnt from all methods of the figure (:mod:`retort.claims.spreads`).
    """
    from scipy.stats import t

    path = figures / f"{test.figure}.csv"
    found = by_cell(test, read_correlations(path))
    values = found.get(test.cell)
    if values is None:
        return Finding("not run", note=f"{test.figure} has no such correlation for {test.cell}")
    unit = "share" if test.statistic == "share_not_positive" else "rho"
    mean, number = sum(values) / len(values), len(values)
    known = pool(list(found.values()))
    if known is None:
        return Finding(
            "undecided", mean, unit=unit, seeds=number, needed="2 seeds or more",
            note="one seed: spread over seeds unknown",
        )  # fmt: skip
    spread = known.spread(values)
    half = float(t.ppf(0.975, spread.freedom)) * math.sqrt(spread.variance / number)
    least = -1.0 if test.statistic == "mean" else 0.0
    low, high = max(least, mean - half), min(1.0, mean + half)
    if test.relation == "above":
        verdict = above(low, high, test.threshold)
    else:
        verdict = above(-high, -low, -test.threshold)
    gap = abs(mean - test.threshold)
    seeds = math.ceil(spread.variance * (_Z / gap) ** 2) if gap else 0
    needed = f"{max(seeds, number + 1):,} seeds" if verdict == "undecided" and seeds else ""
    note = "one seed: spread over seeds taken from other methods" if number == 1 else ""
    return Finding(verdict, mean, low, high, unit, number, needed, note)


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
    rows = select(results.scores, method=cell.method, pair=cell.pair)
    stages = [stage for stage in rows["stage"] if stage]
    if not stages:
        return None
    configs = sorted(results.stage(stages[0]).glob("tasks/*/config.json"))
    if not configs:
        return None
    config = read_json(configs[0])
    return int(config["vocab"]) * int(config.get("factorised") or config["width"])
