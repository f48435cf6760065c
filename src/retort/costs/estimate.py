"""A plan in numbers: time of every job, who pays for it, what sharing and stored signals save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from retort.cells import Cell
from retort.costs.calibration import Calibration
from retort.costs.disk import Disk, disk
from retort.costs.schedule import Job, critical_path, wall_time
from retort.costs.sizes import Sizes
from retort.costs.stage_work import StageWork, signals_work, stage_work
from retort.costs.work import Work, total
from retort.plan import Plan
from retort.stages import Stage

_SMALL_JOB = 10.0
"""Seconds of a job that only reads and writes files (vocabulary map, gates)."""

GATES = "gates"
SIGNALS = "signals "
VOCABULARY = "vocabulary "


@dataclass(frozen=True)
class Share:
    """What a method costs.

    Attributes:
        method: its name, or that of a group of teachers.
        cells: entries of the tables.
        seconds: device time, stages that several cells use split evenly among them.
        alone: device time of one cell, were it run by itself with all it stands on; the mean.
    """

    method: str
    cells: int
    seconds: float
    alone: float


class Estimate:
    """Costs of a plan by a calibration.

    Args:
        plan: of any scale.
        sizes: of its data.
        calibration: seconds from work.
    """

    def __init__(self, plan: Plan, sizes: Sizes, calibration: Calibration) -> None:
        self.plan = plan
        self.sizes = sizes
        self.calibration = calibration

    @cached_property
    def work(self) -> dict[str, StageWork]:
        """Work of every stage by id."""
        return {name: stage_work(stage, self.sizes) for name, stage in self.plan.stages.items()}

    @cached_property
    def teachers(self) -> dict[str, Stage]:
        """Fine-tuned stages whose signals are stored, by id."""
        return {teacher.id: teacher for stage in self.plan.stages.values() for teacher in stage.told_by}

    @cached_property
    def signals(self) -> dict[str, Work]:
        """Work of storing each such teacher's signals."""
        return {name: signals_work(stage, self.sizes) for name, stage in self.teachers.items()}

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All training jobs and the small ones between them, as the workflow's rules connect them."""
        found = {GATES: Job(GATES, _SMALL_JOB, self._gated(), devices=0)}
        for stage in self.plan.stages.values():
            needs = [parent.id for parent in stage.ancestors()]
            if stage.compression is not None and stage.mapped_by is not None:
                name = VOCABULARY + self.plan.layout.vocabulary(stage).parent.name
                found[name] = Job(name, _SMALL_JOB, (stage.mapped_by.id,), devices=0)
                needs.append(name)
            needs += dict.fromkeys(SIGNALS + teacher.id for teacher in stage.told_by)
            devices = self.plan.devices(stage)
            found[stage.id] = Job(stage.id, self.seconds(stage) / devices, tuple(needs), devices)
        for name in self.teachers:
            found[SIGNALS + name] = Job(SIGNALS + name, self.signal_seconds(name), (name,))
        return found

    def _gated(self) -> tuple[str, ...]:
        cells = [cell for cell in self.plan.cells if cell.role == "teacher"]
        return tuple(dict.fromkeys(stage.id for cell in cells for stage in cell.stages))

    def seconds(self, stage: Stage, stored: bool = True) -> float:
        """Device time of a stage's job; without ``stored`` signals every teacher runs again."""
        rates = self.calibration.rates
        if stage.schooling is None:
            return rates.start
        work = self.work[stage.id]
        return rates.start + rates.seconds(work.all if stored else work.all + work.avoided)

    def signal_seconds(self, name: str) -> float:
        """Time of storing a teacher's signals."""
        rates = self.calibration.rates
        return rates.start + rates.seconds(self.signals[name])

    @property
    def device_seconds(self) -> float:
        """Sum over all jobs that occupy a device."""
        return sum(job.device_seconds for job in self.jobs.values())

    @property
    def flops(self) -> float:
        """Floating-point operations of all jobs."""
        return total([*(work.all for work in self.work.values()), *self.signals.values()]).flops

    @cached_property
    def path(self) -> list[Job]:
        """The longest chain of jobs."""
        return critical_path(self.jobs)

    def wall(self, devices: int) -> float:
        """Seconds until everything is done on so many devices."""
        return wall_time(self.jobs, devices)

    def disk(self, devices: int) -> Disk:
        """Bytes, with so many jobs at a time."""
        return disk(self.plan.stages.values(), self.teachers.values(), self.sizes, devices)

    @cached_property
    def closures(self) -> list[dict[str, Stage]]:
        """For each cell its stages with all they stand on, by id."""
        return [closure(cell) for cell in self.plan.cells]

    @property
    def unshared_seconds(self) -> float:
        """Every cell by itself, with all it stands on, and every teacher run in every pass."""
        once = {name: self.seconds(stage, stored=False) for name, stage in self.plan.stages.items()}
        return sum(once[name] for stages in self.closures for name in stages)

    @property
    def unstored_seconds(self) -> float:
        """Stages shared, but every teacher run in every pass."""
        return sum(self.seconds(stage, stored=False) for stage in self.plan.stages.values())

    @cached_property
    def shares(self) -> list[Share]:
        """What each method costs, most first; the teachers' own rows count as one."""
        users: dict[str, int] = defaultdict(int)
        for stages in self.closures:
            for name in self._jobs_of(stages):
                users[name] += 1
        seconds: dict[str, float] = defaultdict(float)
        alone: dict[str, list[float]] = defaultdict(list)
        for cell, stages in zip(self.plan.cells, self.closures, strict=True):
            jobs = self._jobs_of(stages)
            label = "(teachers)" if cell.role == "teacher" else cell.method
            seconds[label] += sum(self.jobs[name].device_seconds / users[name] for name in jobs)
            alone[label].append(sum(self.jobs[name].device_seconds for name in jobs))
        found = [
            Share(label, len(alone[label]), spent, sum(alone[label]) / len(alone[label]))
            for label, spent in seconds.items()
        ]
        return sorted(found, key=lambda share: -share.seconds)

    def _jobs_of(self, stages: Mapping[str, Stage]) -> list[str]:
        """Names of the device jobs behind a cell: its stages, and its teachers' signals."""
        taught = dict.fromkeys(SIGNALS + teacher.id for stage in stages.values() for teacher in stage.told_by)
        return [*stages, *taught]


def closure(cell: Cell) -> dict[str, Stage]:
    """A cell's stages with all they stand on, by id."""
    found: dict[str, Stage] = {}
    waiting = list(cell.stages)
    while waiting:
        stage = waiting.pop()
        if stage.id not in found:
            found[stage.id] = stage
            waiting.extend(stage.ancestors())
    return found
