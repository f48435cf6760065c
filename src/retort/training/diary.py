"""What is remembered of a run besides the trainer's state: it is saved with that and survives a restart."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from retort.models.features import Family
from retort.runcard import Cost, Stopwatch
from retort.training.loop import StepReport
from retort.training.probes import PROBES, Probe


@dataclass
class Diary:
    """Cost and course of a run so far.

    Attributes:
        seconds: of updates; ``processor_seconds``: of everything.
        tokens: trained on; ``started``: Unix time.
        log: a record of the loss now and then.
        distances: to the teacher, now and then; ``recent``: losses since they were measured last.
        parted: how words were parted by each update since the last record, see :class:`StepReport`.
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.time)
    log: list[dict[str, Any]] = field(default_factory=list)
    distances: list[dict[str, Any]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    parted: list[tuple[float, float, float]] = field(default_factory=list)

    def count(self, report: StepReport) -> None:
        """Add an update."""
        self.seconds += report.seconds
        self.tokens += report.tokens
        if report.parted is not None:
            self.parted.append(report.parted)

    def note(self, report: StepReport) -> None:
        """Record an update's loss.

        Where words are parted, also means over the updates since the last record: ``easy`` and ``hard`` words
        of an update, the ``easy_share``, and the ``threshold`` of the teacher's uncertainty between them.
        """
        record = {"step": report.step, "loss": report.loss, "parts": report.parts}
        if self.parted:
            easy, hard, threshold = (statistics.fmean(column) for column in zip(*self.parted, strict=True))
            shares = [easy / (easy + hard) for easy, hard, _ in self.parted]
            means = {"easy": easy, "hard": hard, "easy_share": statistics.fmean(shares)}
            record["groups"] = means | {"threshold": threshold}
            self.parted.clear()
        self.log.append(record)

    def measure(self, probe: Probe | None, student: Family, report: StepReport, total: int) -> None:
        """Lay the student beside its teacher if that is due after an update of ``total``."""
        self.recent.append(report.loss)
        if probe is not None and due_of(report.step, total, PROBES):
            # A single batch's loss says how hard the batch was; the mean says how the training stands.
            found = {"step": report.step, "loss": statistics.fmean(self.recent)} | probe.measure(student)
            self.distances.append(found)
            self.recent.clear()

    def lap(self, watch: Stopwatch) -> None:
        """Add processor time since the last lap."""
        self.processor_seconds += watch.lap()

    def cost(self, steps: int, processes: int) -> Cost:
        """As it stands on the run card."""
        return Cost(self.started, self.seconds, self.processor_seconds, steps, self.tokens, processes)


def due_of(step: int, steps: int, times: int) -> bool:
    """Whether ``step`` is one of about ``times`` evenly spaced steps, the last one included."""
    return step * times // steps != (step - 1) * times // steps
