"""What a job asks of a cluster, in minutes and megabytes: from the plan alone, so that planning stays fast.

A job that runs out of time goes on from its saved state in the next attempt: what is asked for too little
costs a start, what is asked for too much a place in the queue.
"""

from __future__ import annotations

import math
from functools import cached_property

from retort.costs.calibration import ASSUMED, Calibration
from retort.costs.disk import model_bytes, signals_file, state_bytes
from retort.costs.estimate import Estimate
from retort.costs.sizes import expected_sizes
from retort.plan import Plan
from retort.stages import Stage

SLACK = 3.0
"""Time asked for by time expected, as the rates behind it are assumptions."""

LEAST, LONGEST = 20, 24 * 60
"""Minutes: no job asks for less, as starting alone can take a few on a busy file system; none for more, as
many partitions allow no more."""

SHORT = 30 * 60.0
"""Seconds a stage may be expected to take to share a job with others."""

_PROCESS = {"cpu": 2000, "cuda": 6000}
"""Megabytes of a process that holds no model: interpreter, libraries, on a GPU its context."""

_TOKENS_PER_SECOND = 200_000
"""Of a corpus that is read, split and encoded by one core."""


class Requests:
    """Requests of all jobs of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kind = "cpu" if plan.config.device == "cpu" else "cuda"

    @cached_property
    def _estimate(self) -> Estimate:
        sizes = expected_sizes(self._plan.config)
        return Estimate(self._plan, sizes, Calibration(self._kind, ASSUMED[self._kind]))

    def minutes(self, name: str, attempt: int = 1) -> int:
        """Of a stage's job; each further attempt gets more."""
        stage = self._plan.stage(name)
        return _minutes(self._estimate.seconds(stage) / self._plan.devices(stage), attempt)

    def signal_minutes(self, name: str, attempt: int = 1) -> int:
        """Of storing a fine-tuned teacher's signals."""
        return _minutes(self._estimate.signal_seconds(name), attempt)

    def text_minutes(self, attempt: int = 1) -> int:
        """Of fetching the data, and of encoding them."""
        return _minutes(self._estimate.sizes.tokens / _TOKENS_PER_SECOND, attempt)

    def megabytes(self, name: str, attempt: int = 1) -> int:
        """Host memory of a stage's job: a training state, its teachers, one task's signals of each."""
        stage, sizes = self._plan.stage(name), self._estimate.sizes
        held = state_bytes(stage, sizes) + sum(model_bytes(teacher, sizes) for teacher in stage.teachers)
        for teacher in stage.teachers:
            held += max(
                (signals_file(teacher, run, sizes) for run in teacher.runs.values() if run.reads_signals),
                default=0.0,
            )
        return _megabytes(_PROCESS[self._kind] + held / 1e6, attempt)

    def text_megabytes(self, attempt: int = 1) -> int:
        """Host memory of fetching or encoding the data."""
        return _megabytes(_PROCESS["cpu"] + 4e-6 * self._estimate.sizes.tokens, attempt)

    @cached_property
    def _read(self) -> frozenset[str]:
        """Stages that others start or learn from, and those that have to pass the gates first."""
        parents = {parent.id for stage in self._plan.stages.values() for parent in stage.ancestors()}
        teachers = [cell for cell in self._plan.cells if cell.role == "teacher"]
        return frozenset(parents | {stage.id for cell in teachers for stage in cell.stages})

    def packed(self, name: str) -> bool:
        """Whether a stage may share a job with others: a short one on tasks that no other stage waits for.

        Members of a group that someone outside waits for, and who in turn is waited for inside, would wait
        for each other.
        """
        stage: Stage = self._plan.stage(name)
        return stage.phase == "task" and name not in self._read and self._estimate.seconds(stage) <= SHORT


def _minutes(seconds: float, attempt: int) -> int:
    return min(max(math.ceil(SLACK * seconds / 60), LEAST) * attempt, LONGEST)


def _megabytes(expected: float, attempt: int) -> int:
    """Up to twice what is expected: a tenth attempt is one of a long stage, not of one that lacks memory."""
    return math.ceil(expected * min(1 + attempt, 4) / 2)
