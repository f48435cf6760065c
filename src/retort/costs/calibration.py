"""Seconds from work: rates fitted to the run cards of finished stages, or stated assumptions.

    seconds = flops / a + elements / b + launches * c + host tokens / d,  all of them >= 0

fitted by least squares on relative errors. A stage's time is that of its run cards: updates, evaluations and
the preparation of batches. On a processor it is the processor's own time, which other programs beside the run
do not lengthen; on a GPU it is the time from first start to end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from retort.config import load
from retort.costs.sizes import Sizes, sizes_of
from retort.costs.stage_work import stage_work
from retort.costs.work import Work
from retort.errors import InputError
from retort.files import read_json
from retort.plan import Plan
from retort.stages import Stage

A100_PEAK = 312e12
"""Dense bfloat16 operations a second of an A100 (NVIDIA's data sheet)."""

A100_UTILISATION = 0.4
"""Share of the peak that its matrix products are assumed to reach, everything beside them included."""

CPU_RATE = 50e9
"""Operations a second that one CPU core is assumed to reach in float32 matrix products."""

MINIMUM_RUNS = 8
"""Finished stages below which nothing is fitted."""


@dataclass(frozen=True)
class Rates:
    """Seconds by unit of work.

    Attributes:
        flop, element, launch, host: seconds for one of each (see :class:`retort.costs.work.Work`).
        start: seconds of a job before it trains: processes, imports, loading.
    """

    flop: float
    element: float
    launch: float
    host: float
    start: float

    def seconds(self, work: Work) -> float:
        """Time of some work, without start-up."""
        return (
            self.flop * work.flops
            + self.element * work.elements
            + self.launch * work.launches
            + self.host * work.host
        )


ASSUMED = {
    "cuda": Rates(1 / (A100_PEAK * A100_UTILISATION), 0.0, 5e-6, 0.5e-6, 60.0),
    "cpu": Rates(1 / CPU_RATE, 1e-9, 5e-6, 2e-6, 4.0),
}
"""Where no finished run says better. The loop prepares a batch, then waits for the device: times add up."""


@dataclass(frozen=True)
class Run:
    """A finished stage: its work and what it took.

    Attributes:
        stage: id; ``phase``: pretraining or task.
        work: by the model; ``seconds``: measured.
        device: name of the processor or GPU.
    """

    stage: str
    phase: str
    work: Work
    seconds: float
    device: str


@dataclass(frozen=True)
class Calibration:
    """Rates of a kind of device and how well they explain the finished runs.

    Attributes:
        kind: ``cpu`` or ``cuda``.
        rates: seconds by unit of work.
        runs: finished stages they were fitted to, none for assumed rates.
        error: median over the runs of |predicted - measured| / measured, each run predicted by rates
            that were fitted to others; ``None`` without runs.
        passed_over: finished stages whose cards are too old to tell the processor's time.
    """

    kind: str
    rates: Rates
    runs: tuple[Run, ...] = ()
    error: float | None = None
    passed_over: int = 0

    def achieved(self, phase: str) -> float | None:
        """Operations a second of the finished runs of a phase; ``None`` without any."""
        runs = [run for run in self.runs if run.phase == phase]
        seconds = sum(run.seconds for run in runs)
        return sum(run.work.flops for run in runs) / seconds if seconds else None


def calibrate(kind: str, runs: Sequence[Run], passed_over: int = 0) -> Calibration:
    """Rates of a kind of device from its finished runs, or the assumed ones if there are too few."""
    start = ASSUMED[kind].start
    if len(runs) < MINIMUM_RUNS:
        return Calibration(kind, ASSUMED[kind], passed_over=passed_over)
    return Calibration(kind, fit(runs, start), tuple(runs), cross_validated(runs, start), passed_over)


def fit(runs: Sequence[Run], start: float) -> Rates:
    """Rates with the least sum of squared relative errors; outliers count less.

    A few runs take twice as long as others like them, whatever the reason: each run is weighted by how far
    the fit before was from it (iterated, absolute rather than squared error).
    """
    import numpy as np

    features = np.array([[w.flops, w.elements, w.launches, w.host] for w in (run.work for run in runs)])
    measured = np.array([run.seconds for run in runs])
    relative = features / measured[:, None]
    weights = np.ones(len(runs))
    rates = np.zeros(4)
    for _ in range(20):
        rates = _least_squares(relative * weights[:, None], weights)
        weights = 1 / np.sqrt(np.maximum(abs(relative @ rates - 1), 0.05))
    flop, element, launch, host = map(float, rates)
    return Rates(flop, element, launch, host, start)


def _least_squares(matrix: Any, target: Any) -> Any:
    """Non-negative least squares for a handful of columns: the best of all subsets."""
    import numpy as np

    scale = np.linalg.norm(matrix, axis=0)
    best, least = np.zeros(matrix.shape[1]), float("inf")
    usable = [i for i in range(matrix.shape[1]) if scale[i] > 0]
    for size in range(1, len(usable) + 1):
        for chosen in map(list, combinations(usable, size)):
            part = matrix[:, chosen] / scale[chosen]
            found = np.linalg.lstsq(part, target, rcond=None)[0]
            error = float(np.square(part @ found - target).sum())
            if (found >= 0).all() and error < least:
                best, least = np.zeros(matrix.shape[1]), error
                best[chosen] = found / scale[chosen]
    return best


def cross_validated(runs: Sequence[Run], start: float, parts: int = 5) -> float:
    """Median relative error of runs that the rates have not seen."""
    errors = []
    for part in range(parts):
        seen = [run for number, run in enumerate(runs) if number % parts != part]
        rates = fit(seen, start)
        errors += [relative_error(rates, run) for run in runs[part::parts]]
    return median(errors)


def relative_error(rates: Rates, run: Run) -> float:
    """|predicted - measured| / measured."""
    return abs(rates.seconds(run.work) - run.seconds) / run.seconds


def finished_runs(results: Path, kind: str) -> tuple[list[Run], int]:
    """The finished stages of all scales below a results folder that ran on a kind of device.

    Returns:
        Those whose time is known, and the number of those whose time is not, see :func:`seconds_of`.
    """
    found: list[Run | None] = []
    for path in sorted(results.glob("*/config.json")):
        try:
            plan = Plan(load(path), results)
            stages = list(plan.stages.values())
        except InputError:  # of a version with other keys: nothing to learn from
            continue
        found += runs_of(plan, stages, kind)
    known = [run for run in found if run is not None]
    return known, len(found) - len(known)


def runs_of(plan: Plan, stages: Sequence[Stage], kind: str) -> Iterator[Run | None]:
    """The finished ones among a plan's stages on a kind of device; ``None`` where the time is not known."""
    sizes: Sizes | None = None
    for stage in stages:
        cards = _cards(plan, stage)
        if cards and all(_on_one(card, kind) for card in cards):
            seconds = seconds_of(cards)
            if seconds is None:
                yield None
            elif seconds > 0:
                sizes = sizes or sizes_of(plan)
                work, name = stage_work(stage, sizes).all, cards[0]["device"]["name"]
                yield Run(stage.id, stage.phase, work, seconds, name)


def _on_one(card: dict[str, Any], kind: str) -> bool:
    """Whether a run was on a single device of a kind."""
    return card["device"]["kind"].partition(":")[0] == kind and card.get("processes", 1) == 1


def _cards(plan: Plan, stage: Stage) -> list[dict[str, Any]]:
    """All run cards of a stage, none unless all are there."""
    if stage.schooling is None:
        return []
    folders = [plan.layout.task_model(stage, run) for run in stage.runs] or [plan.layout.stage(stage)]
    paths = [folder / "card.json" for folder in folders]
    return [read_json(path) for path in paths] if all(path.is_file() for path in paths) else []


def seconds_of(cards: Sequence[dict[str, Any]]) -> float | None:
    """What a stage would take on a machine with nothing else to do.

    One thread takes the processor's time, several take the time between start and end. ``None`` for cards of
    one thread that were written before cards held the processor's time: what ran beside them is not known.
    """
    device = cards[0]["device"]
    if device["kind"] != "cpu" or device["threads"] > 1:
        return _wall(cards)
    if any("processor_seconds" not in card for card in cards):
        return None
    return float(sum(card["processor_seconds"] for card in cards))


def _wall(cards: Sequence[dict[str, Any]]) -> float:
    """First start to last end, but of runs that were interrupted the time of their updates."""
    training = sum(card["seconds"] for card in cards)
    started = min(datetime.fromisoformat(card["started"]).timestamp() for card in cards)
    ended = max(datetime.fromisoformat(card["finished"]).timestamp() for card in cards)
    wall = ended - started
    return float(wall if training <= wall <= 2 * training + 60 else training)
