"""What is remembered of a run besides the trainer's state: it is saved with that and survives a restart."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from retort.runcard import Cost, Stopwatch
from retort.training.loop import StepReport


@dataclass
class Diary:
    """Cost and course of a run so far.

    Attributes:
        seconds: of updates; ``processor_seconds``: of everything.
        tokens: trained on; ``started``: Unix time.
        log: a record of the loss now and then.
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.time)
    log: list[dict[str, Any]] = field(default_factory=list)

    def count(self, report: StepReport) -> None:
        """Add an update."""
        self.seconds += report.seconds
        self.tokens += report.tokens

    def note(self, report: StepReport) -> None:
        """Record an update's loss."""
        self.log.append({"step": report.step, "loss": report.loss, "parts": report.parts})

    def lap(self, watch: Stopwatch) -> None:
        """Add processor time since the last lap."""
        self.processor_seconds += watch.lap()

    def cost(self, steps: int, processes: int) -> Cost:
        """As it stands on the run card."""
        return Cost(self.started, self.seconds, self.processor_seconds, steps, self.tokens, processes)
