"""How much the loss rises around students, by the slices that were cut through it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING

from retort.claims.evidence import Evidence
from retort.claims.kinds import Cell, Flatter
from retort.claims.places import groups
from retort.claims.verdicts import Finding, above, not_run
from retort.errors import InputError

if TYPE_CHECKING:
    from retort.reporting.results import Results

_Z = 1.96


def judge_flatness(test: Flatter, results: Results, evidence: Evidence) -> Finding:
    """How much less the loss rises around one student than around the other: pairs of equal seed.

    Of each student the mean over directions and both sides. Every pair of models with every seed is a
    measurement; the interval is Student's.
    """
    cells = (test.flatter, test.sharper)
    if not (results.root / results.paper / "landscape.csv").is_file():
        return Finding("not run", note="nothing was cut through at this scale")
    risen = rises(results, test.radius)
    found: list[float] = []
    seeds: set[str] = set()
    for ours, theirs in groups(cells, evidence):
        mine, others = risen.get(ours, {}), risen.get(theirs, {})
        found += [others[seed] - mine[seed] for seed in mine if seed in others]
        seeds |= mine.keys() & others.keys()
    return _found(found, test.radius, len(seeds)) if found else not_run(cells)


def rises(results: Results, radius: float) -> dict[Cell, dict[str, float]]:
    """By row of the tables and seed: how much more the loss is that far away, in nats.

    Raises:
        InputError: there are slices without that point, or without the model itself.
    """
    lines: dict[tuple[Cell, str], dict[float, list[float]]] = {}
    for row in results.landscape.to_dict("records"):
        place = Cell(method=row["method"], pair=row["pair"]), row["seed"]
        lines.setdefault(place, {}).setdefault(abs(float(row["alpha"])), []).append(float(row["loss"]))
    found: dict[Cell, dict[str, float]] = {}
    for (cell, seed), losses in lines.items():
        if radius not in losses or 0.0 not in losses:
            path = results.root / results.paper / "landscape.csv"
            raise InputError(f"{path}: {cell} has no loss at 0 and {radius:g}; cut through the loss again")
        found.setdefault(cell, {})[seed] = fmean(losses[radius]) - fmean(losses[0.0])
    return found


def _found(values: Sequence[float], radius: float, seeds: int) -> Finding:
    from scipy.stats import t

    mean, number = fmean(values), len(values)
    note = f"less rise of the loss {radius:g} away, mean of {number} comparison{'s' if number > 1 else ''}"
    if number == 1:
        note += "; one run: spread unknown"
        return Finding("undecided", mean, unit="nats", seeds=seeds, needed="2 runs", note=note)
    half = float(t.ppf(0.975, number - 1)) * stdev(values) / math.sqrt(number)
    verdict = above(mean - half, mean + half, 0.0)
    needed = ""
    if verdict == "undecided" and mean:
        needed = f"{max(math.ceil(variance(values) * (_Z / mean) ** 2), number + 1):,} runs"
    return Finding(verdict, mean, mean - half, mean + half, "nats", seeds, needed, note)
