"""What runs cost, what they started from and how large their models are: read off their files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.claims.evidence import Evidence
from retort.claims.kinds import Cell, Cost, SameNetwork, Speed, Start
from retort.claims.lineage import lineage, pretraining
from retort.claims.places import groups, numbers, tensors
from retort.claims.verdicts import Finding, Verdict, above, not_run
from retort.errors import InputError
from retort.runcard import read_card

if TYPE_CHECKING:
    from retort.reporting.results import Results

_Z = 1.96
_ONE_TIMING = ("track", "task_kind", "rows", "source", "target", "device", "machine")
"""What has to be the same where times are compared."""


def judge_cost(test: Cost, evidence: Evidence) -> Finding:
    """Ratio of the seconds a token takes, geometric mean over runs of equal task, seed and device.

    Every run is a measurement; the interval is Student's, on the logarithms.
    """
    found: dict[tuple[Path, Path], tuple[str, float]] = {}
    devices = 0
    for ours, theirs in groups((test.cell, test.reference), evidence):
        for seed, folders in _matched((ours, theirs), evidence):
            cards = [_timed(folder, test.stage) for folder in folders]
            if cards[0] is None or cards[1] is None or cards[0][0] == cards[1][0]:
                continue
            (ours_at, mine), (theirs_at, other) = cards[0], cards[1]
            if _device(mine) != _device(other):
                devices += 1
                continue
            found[ours_at, theirs_at] = seed, math.log(_pace(mine, ours_at) / _pace(other, theirs_at))
    if not found:
        if devices:
            return Finding("not run", note="both ran, but never on the same kind of device")
        return not_run([test.cell, test.reference])
    seeds = len({seed for seed, _ in found.values()})
    return _ratio([log for _, log in found.values()], test.margin, seeds)


def _ratio(logs: Sequence[float], margin: float, seeds: int) -> Finding:
    import numpy as np
    from scipy.stats import t

    mean, number, limit = float(np.mean(logs)), len(logs), math.log1p(margin)
    note = f"seconds a token, {_runs(number)}; margin {100 * margin:g} %"
    if number == 1:
        note += "; one run: spread unknown"
        return Finding("undecided", math.exp(mean), unit="ratio", seeds=seeds, needed="2 runs", note=note)
    variance = float(np.var(logs, ddof=1))
    half = float(t.ppf(0.975, number - 1)) * math.sqrt(variance / number)
    verdict = above(-mean - half, -mean + half, -limit)
    needed = ""
    if verdict == "undecided" and mean != limit:
        runs = math.ceil(variance * (_Z / (limit - mean)) ** 2)
        needed = f"{max(runs, number + 1):,} runs"
    effect, low, high = (math.exp(mean + move) for move in (0, -half, half))
    return Finding(verdict, effect, low, high, "ratio", seeds, needed, note)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _matched(cells: Sequence[Cell], evidence: Evidence) -> Iterator[tuple[str, list[Path]]]:
    """Seed and folders of the runs of all cells on the same task with the same seed."""
    every = [evidence.runs.get(cell, {}) for cell in cells]
    for place in every[0]:
        if all(place in runs for runs in every):
            yield place[0], [runs[place] for runs in every]


def _timed(folder: Path, stage: str) -> tuple[Path, dict[str, Any]] | None:
    """The run whose time counts, and its card; ``None`` where it has no such stage."""
    return pretraining(folder) if stage == "pretraining" else (folder, read_card(folder / "card.json"))


def _device(card: dict[str, Any]) -> tuple[Any, ...]:
    return card["device"].get("name"), card["device"].get("threads"), card.get("processes", 1)


def _pace(card: dict[str, Any], folder: Path) -> float:
    if not (card["seconds"] > 0 and card["tokens"] > 0):
        raise InputError(f"{folder / 'card.json'}: no seconds or tokens; run the stage again")
    return float(card["seconds"] / card["tokens"])


def judge_network(test: SameNetwork, evidence: Evidence) -> Finding:
    """Whether the trained models have the same tensors: then they cost the same, by construction."""
    sizes: dict[str, None] = {}
    ratios: list[float] = []
    equal = True
    for cells in groups(test.cells, evidence):
        for _, folders in _matched(cells, evidence):
            models = [tensors(folder) for folder in folders]
            counts = [numbers(model) for model in models]
            equal &= all(model == models[0] for model in models)
            ratios.append(max(counts) / min(counts))
            sizes["/".join(f"{count:,}" for count in dict.fromkeys(counts))] = None
    if not ratios:
        return not_run(test.cells)
    what = "names and shapes of all tensors agree" if equal else "tensors differ"
    note = f"{what} in {len(ratios)} comparisons, {', '.join(sizes)} parameters, counted"
    return Finding("supported" if equal else "contradicted", max(ratios), unit="ratio", note=note)


def judge_speed(test: Speed, results: Results) -> Finding:
    """The slowest student beside its teacher; the interval lays the ends of the timings side by side."""
    path = results.root / results.paper / "speed.csv"
    if not path.is_file():
        return Finding("not run", note="inference was not timed at this scale")
    try:
        found = dict(_beside_teachers(results))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: no timings of these models ({error}); time them again") from None
    if not found:
        return Finding("not run", note="no student was timed beside its teacher")
    slowest = max(found, key=lambda name: found[name][2])
    if any(low > test.at_most for _, low, _ in found.values()):
        slowest = max(found, key=lambda name: found[name][1])
    middle, low, high = found[slowest]
    note = f"slowest of {len(found)}: {slowest}; ends of repeated timings"
    return Finding(above(-high, -low, -test.at_most), middle, low, high, "ratio", note=note)


def _beside_teachers(results: Results) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """What was timed, and by which part of the teacher's time: middle, least and most."""
    ends = ("median_ms", "median_ms"), ("low_ms", "high_ms"), ("high_ms", "low_ms")
    for _, rows in results.speed.groupby(list(_ONE_TIMING), sort=False):
        records = rows.to_dict("records")
        track = results.tracks[records[0]["track"]]
        for teacher in (row for row in records if row["model"] in track.teachers):
            for row in (row for row in records if row["model"] not in track.teachers):
                middle, low, high = (float(row[ours]) / float(teacher[theirs]) for ours, theirs in ends)
                name = f"{row['model']} beside {teacher['model']}"
                yield f"{name}, {row['rows']} texts of {row['source']} tokens", (middle, low, high)


def judge_start(test: Start, evidence: Evidence) -> Finding:
    """Share of the runs whose first ancestor was cut out of one of its teachers."""
    starts = []
    for (cell,) in groups((test.cell,), evidence):
        starts += [_cut_out(folder) for folder in evidence.runs.get(cell, {}).values()]
    if not starts:
        return not_run([test.cell])
    share = sum(starts) / len(starts)
    verdict: Verdict = "supported" if all(starts) else "contradicted"
    return Finding(verdict, share, unit="share", note=f"of {_runs(len(starts))}, by their cards")


def _cut_out(folder: Path) -> bool:
    ancestors = [card["stage"] for _, card in lineage(folder)]
    root = ancestors[-1]
    part = root.get("truncated") or {}
    return part.get("source") in root.get("teachers", ()) and not any(s.get("imported") for s in ancestors)
