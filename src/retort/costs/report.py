"""The costs of a plan as text: what a reader needs before paying."""

from __future__ import annotations

import os
import shutil

from retort.config.model import Config
from retort.costs.calibration import (
    A100_PEAK,
    A100_UTILISATION,
    Calibration,
    calibrate,
    finished_runs,
)
from retort.costs.disk import signals_file
from retort.costs.estimate import SIGNALS, Estimate
from retort.costs.memory import device_bytes
from retort.costs.schedule import Job
from retort.costs.sizes import sizes_of
from retort.costs.stage_work import once_a_task
from retort.plan import Plan

GPUS = 8
"""Devices that a plan for GPUs is timed on unless told otherwise: one common node."""

_DEVICE_MEMORY = 80e9

_INDENT, _NAMED = 17, 4


def estimate_of(plan: Plan) -> Estimate:
    """The costs of a plan, calibrated by whatever has finished below its results folder."""
    kind = device_kind(plan.config)
    finished = finished_runs(plan.layout.root.parent, kind)
    return Estimate(plan, sizes_of(plan), calibrate(kind, *finished))


def device_kind(config: Config) -> str:
    """``cpu`` or ``cuda``; for ``auto`` whichever this machine has."""
    if config.device == "auto":
        return "cuda" if shutil.which("nvidia-smi") else "cpu"
    return config.device


def default_devices(kind: str) -> int:
    """Devices to plan for: all cores of this machine, or a node of GPUs."""
    return GPUS if kind == "cuda" else os.cpu_count() or 1


def summary(estimate: Estimate, devices: int, made: frozenset[str] = frozenset()) -> list[str]:
    """A screen of totals.

    Args:
        estimate: of a plan.
        devices: that run jobs at the same time.
        made: ids of the stages whose results are there already.
    """
    unit = _unit(estimate)
    total, shared, alone = estimate.device_seconds, estimate.unstored_seconds, estimate.unshared_seconds
    longest = duration(sum(job.seconds for job in estimate.path))
    basis = _basis(estimate.calibration)
    return [
        _line("device time", f"{hours(total)} {unit}, {estimate.flops:.2g} floating-point operations"),
        *_teachers(estimate, unit),
        *_left(estimate, made, unit),
        _line("jobs", _jobs(estimate)),
        _line("wall time", _walls(estimate, devices)),
        _line("critical path", f"{longest}, on any number of devices"),
        _line("disk", _disk(estimate, devices)),
        _line(
            "sharing", f"saves {hours(alone - shared)} {unit} ({hours(alone)} if every cell ran by itself)"
        ),
        _line(
            "stored signals", f"{_saved(shared - total)} {unit} ({hours(shared)} if teachers ran each time)"
        ),
        *_shared(estimate),
        *(_line("basis" if number == 0 else "", text) for number, text in enumerate(basis)),
        *_warnings(estimate),
    ]


def method_lines(estimate: Estimate) -> list[str]:
    """A table of methods by their cost."""
    total = estimate.device_seconds
    shares = estimate.shares
    width = max(len("method"), *(len(share.method) for share in shares))
    lines = [f"  {'method':{width}}  {'cells':>5}  {'hours':>9}  {'share':>6}  {'one cell alone':>14}"]
    lines += [
        f"  {share.method:{width}}  {share.cells:>5}  {hours(share.seconds):>9}  "
        f"{share.seconds / total:>6.1%}  {hours(share.alone):>14}"
        for share in shares
    ]
    head = f"{_unit(estimate)} by method; stages in common are split evenly among the cells that use them"
    return [head, *lines]


def path_lines(estimate: Estimate) -> list[str]:
    """The longest chain of jobs, one a line."""
    path = estimate.path
    return [
        f"critical path, {duration(sum(job.seconds for job in path))}",
        *(f"  {duration(job.seconds):>9}  {_named(estimate, job)}" for job in path),
    ]


def hours(seconds: float) -> str:
    """Hours, with as many digits as are worth reading."""
    value = seconds / 3600
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def duration(seconds: float) -> str:
    """A time in the unit that people would choose."""
    for least, unit, length in ((172800, "days", 86400), (3600, "h", 3600), (60, "min", 60)):
        if seconds >= least:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def _line(name: str, text: str) -> str:
    return f"  {name:{_INDENT}}{text}"


def _unit(estimate: Estimate) -> str:
    return "GPU-hours" if estimate.calibration.kind == "cuda" else "core-hours"


def _saved(seconds: float) -> str:
    return f"save {hours(seconds)}" if seconds >= 0 else f"cost {hours(-seconds)}"


def _left(estimate: Estimate, made: frozenset[str], unit: str) -> list[str]:
    if not made:
        return []
    rest = sum(
        job.device_seconds for name, job in estimate.jobs.items() if name.removeprefix(SIGNALS) not in made
    )
    stages = len(estimate.plan.stages)
    return [_line("still to do", f"{hours(rest)} {unit}; {len(made):,} of {stages:,} stages are made")]


def _teachers(estimate: Estimate, unit: str) -> list[str]:
    """What pretraining the teachers takes, which importing checkpoints would spare."""
    cells = [cell for cell in estimate.plan.cells if cell.role == "teacher"]
    found = {stage.init.id: stage.init for cell in cells for stage in cell.stages if stage.init is not None}
    trained = [stage for stage in found.values() if stage.schooling is not None]
    if not trained:
        return []
    spent = sum(estimate.seconds(stage) for stage in trained)
    share = spent / estimate.device_seconds
    each = ", ".join(f"{stage.architecture.name} {hours(estimate.seconds(stage))}" for stage in trained)
    return [_line("", f"{hours(spent)} ({share:.0%}) pretrain teachers, unless imported: {each}")]


def _jobs(estimate: Estimate) -> str:
    stages = estimate.plan.stages.values()
    first = sum(stage.phase == "pretraining" for stage in stages)
    others = len(estimate.jobs) - len(stages)
    return (
        f"{len(stages):,} stages ({first:,} pretraining, {len(stages) - first:,} task); "
        f"{others:,} for signals, vocabularies, gates; data and tables"
    )


def _shared(estimate: Estimate) -> list[str]:
    """Models that are shared out among several devices, and the most that one of these has to hold."""
    found: dict[str, tuple[int, float]] = {}
    for stage in estimate.plan.stages.values():
        devices, name = estimate.plan.devices(stage), stage.architecture.name
        if devices > 1:
            need = device_bytes(stage, estimate.sizes, devices)
            found[name] = max(found.get(name, (0, 0.0)), (devices, need), key=lambda pair: pair[1])
    each = [
        f"{name}: {devices} devices, {need / 2**30:.0f} GiB each" for name, (devices, need) in found.items()
    ]
    rows = ["; ".join(each[i : i + _NAMED]) for i in range(0, len(each), _NAMED)]
    if rows:
        rows[-1] += ", activations come on top"
    return [_line("" if number else "shared out", row) for number, row in enumerate(rows)]


def _walls(estimate: Estimate, devices: int) -> str:
    word = "GPU" if estimate.calibration.kind == "cuda" else "core"
    found = {count: duration(estimate.wall(count)) for count in (devices, 1, 8 * devices)}
    main, *others = found.items()
    more = ", ".join(f"{time} on {count}" for count, time in others)
    return f"{main[1]} on {main[0]} {word}{'s' if main[0] > 1 else ''} ({more})"


def _disk(estimate: Estimate, devices: int) -> str:
    found = estimate.disk(devices)
    return (
        f"{size(found.all)}: models {size(found.weights)}, teacher signals {size(found.signals)}, "
        f"training states {size(found.scratch)}, text {size(found.text)}"
    )


def _basis(calibration: Calibration) -> list[str]:
    old = calibration.passed_over
    passed = [f"{old} finished stages are passed over: their run cards tell no processor time"] if old else []
    if calibration.error is None:
        return [*_assumptions(calibration), *passed]
    speeds = [
        f"{phase} {speed / 1e9:,.1f} GFLOP/s"
        for phase in ("pretraining", "task")
        if (speed := calibration.achieved(phase)) is not None
    ]
    names = " and ".join(sorted({run.device for run in calibration.runs}))
    return [
        f"{len(calibration.runs)} finished stages on {names}: {', '.join(speeds)}",
        f"median error of a stage's predicted time: {calibration.error:.0%}",
        *passed,
    ]


def _assumptions(calibration: Calibration) -> list[str]:
    rates = calibration.rates
    if calibration.kind == "cuda":
        machine = f"an A100 at {A100_UTILISATION:.0%} of {A100_PEAK / 1e12:.0f} TFLOP/s (bfloat16, dense)"
    else:
        machine = (
            f"a core at {1 / rates.flop / 1e9:.0f} GFLOP/s (float32), {rates.element * 1e9:.0f} ns a number"
            " that other operations write"
        )
    return [
        "too few finished stages to go by, so this is ASSUMED:",
        machine,
        f"{rates.launch * 1e6:.0f} us an operation, {rates.host * 1e6:.1f} us a token to prepare batches, "
        f"{rates.start:.0f} s to start a job",
    ]


def _warnings(estimate: Estimate) -> list[str]:
    """What a GPU cannot hold."""
    if estimate.calibration.kind != "cuda":
        return []
    limit = size(_DEVICE_MEMORY)
    models, signals = _large_models(estimate), _large_signals(estimate)
    lines = []
    if models:
        lines.append(
            _line("WARNING", f"weights, gradients, moments over {limit} a device: {', '.join(models)}")
        )
    if signals:
        lines.append(_line("WARNING", f"signals that a job loads whole over {limit}: {', '.join(signals)}"))
    return lines


def _large_models(estimate: Estimate) -> list[str]:
    needs: dict[str, float] = {}
    for stage in estimate.plan.stages.values():
        if stage.schooling is not None:
            label = f"{stage.architecture.name} {stage.phase}"
            need = device_bytes(stage, estimate.sizes, estimate.plan.devices(stage))
            needs[label] = max(needs.get(label, 0.0), need)
    return _too_large(needs)


def _large_signals(estimate: Estimate) -> list[str]:
    found: dict[str, float] = {}
    for teacher in estimate.teachers.values():
        for task, run in once_a_task(teacher).items():
            label = f"{teacher.architecture.name} {task}"
            found[label] = max(found.get(label, 0.0), signals_file(teacher, run, estimate.sizes))
    return _too_large(found)


def _too_large(bytes_of: dict[str, float]) -> list[str]:
    """What exceeds a device, largest first, a few by name."""
    found = sorted(
        ((count, label) for label, count in bytes_of.items() if count > _DEVICE_MEMORY), reverse=True
    )
    more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return [*(f"{label} {size(count)}" for count, label in found[:_NAMED]), *more]


def _named(estimate: Estimate, job: Job) -> str:
    """A job's name, with its task if it has a single one."""
    stage = estimate.plan.stages.get(job.name.removeprefix(SIGNALS))
    return f"{job.name} ({stage.tasks[0]})" if stage is not None and len(stage.tasks) == 1 else job.name
