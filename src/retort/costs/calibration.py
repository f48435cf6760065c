"""Seconds from work: rates fitted to the run cards of finished stages, or stated assumptions.

    seconds = flops / a + elements / b + launches * c + host tokens / d,  all of them >= 0

fitted by least squares on relative errors. A stage's time is that of its run cards, first start to end:
updates, evaluations and the preparation of batches. Processors are often shared with other programs: how
much slower a run was for that is told by the runs just before and after it, and taken out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
        moment: middle of the run, seconds since 1970.
    """

    stage: str
    phase: str
    work: Work
    seconds: float
    device: str
    moment: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """Rates of a kind of device and how well they explain the finished runs.

    Attributes:
        kind: ``cpu`` or ``cuda``.
        rates: seconds by unit of work, on a processor that does nothing else.
        runs: finished stages they were fitted to, none for assumed rates.
        error: median over the runs of |predicted - measured| / measured, each run predicted by rates
            that were fitted to others, and by its load; ``None`` without runs.
        raw_error: the same without loads.
        loads: by how much each run was slowed down.
    """

    kind: str
    rates: Rates
    runs: tuple[Run, ...] = ()
    error: float | None = None
    raw_error: float | None = None
    loads: tuple[float, ...] = ()

    def achieved(self, phase: str) -> float | None:
        """Operations a second of the finished runs of a phase; ``None`` without any."""
        runs = [run for run in self.runs if run.phase == phase]
        seconds = sum(run.seconds for run in runs)
        return sum(run.work.flops for run in runs) / seconds if seconds else None


def calibrate(kind: str, runs: Sequence[Run]) -> Calibration:
    """Rates of a kind of device from its finished runs, or the assumed ones if there are too few."""
    start = ASSUMED[kind].start
    if len(runs) < MINIMUM_RUNS:
        return Calibration(kind, ASSUMED[kind])
    runs = sorted(runs, key=lambda run: run.moment)
    raw = cross_validated(runs, start)
    loads = machine_loads(runs) if kind == "cpu" else [1.0] * len(runs)
    alone = [replace(run, seconds=run.seconds / load) for run, load in zip(runs, loads, strict=True)]
    return Calibration(kind, fit(alone, start), tuple(runs), cross_validated(alone, start), raw, tuple(loads))


def machine_loads(runs: Sequence[Run]) -> list[float]:
    """By how much other programs slowed each run down, 1 in quiet hours.

    The load of a run is the median of measured over predicted time of its neighbours in time, never its
    own; fit and loads are found in turns. The quietest tenth of the runs defines 1.

    Args:
        runs: in order of time.
    """
    loads = [1.0] * len(runs)
    for _ in range(_TURNS):
        alone = [replace(run, seconds=run.seconds / load) for run, load in zip(runs, loads, strict=True)]
        rates = fit(alone, 0.0)
        slower = [run.seconds / rates.seconds(run.work) for run in runs]
        near = [slower[max(0, i - _NEAR) : i] + slower[i + 1 : i + 1 + _NEAR] for i in range(len(runs))]
        loads = [median(others) for others in near]
    quiet = sorted(loads)[len(loads) // 10]
    return [max(1.0, load / quiet) for load in loads]


_TURNS, _NEAR = 6, 3


def fit(runs: Sequence[Run], start: float) -> Rates:
    """Rates with the least sum of squared relative errors; outliers count less.

    Machines that do other things at the same time give runs that took twice as long as others: each run
    is weighted by how far the fit before was from it (iterated, absolute rather than squared error).
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


def finished_runs(results: Path, kind: str) -> list[Run]:
    """The finished stages of all scales below a results folder that ran on a kind of device."""
    found: list[Run] = []
    for path in sorted(results.glob("*/config.json")):
        try:
            plan = Plan(load(path), results)
            stages = list(plan.stages.values())
        except InputError:  # of a version with other keys: nothing to learn from
            continue
        found += runs_of(plan, stages, kind)
    return found


def runs_of(plan: Plan, stages: Sequence[Stage], kind: str) -> Iterator[Run]:
    """The finished ones among a plan's stages on a kind of device."""
    sizes: Sizes | None = None
    for stage in stages:
        cards = _cards(plan, stage)
        if cards and all(_on_one(card, kind) for card in cards):
            sizes = sizes or sizes_of(plan.config, plan.layout.text(plan.text))
            seconds, moment = _seconds(cards)
            if seconds > 0:
                work, name = stage_work(stage, sizes).all, cards[0]["device"]["name"]
                yield Run(stage.id, stage.phase, work, seconds, name, moment)


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


def _seconds(cards: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """First start to last end (of runs that were interrupted: the time of their updates), and the middle."""
    training = sum(card["seconds"] for card in cards)
    started = min(datetime.fromisoformat(card["started"]).timestamp() for card in cards)
    ended = max(datetime.fromisoformat(card["finished"]).timestamp() for card in cards)
    wall = ended - started
    return float(wall if training <= wall <= 2 * training + 60 else training), (started + ended) / 2
