"""How far a job is: lines for people, a status file for the overview of all jobs."""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from retort.errors import InputError, RetortError
from retort.files import read_json, write_json

LOG_SECONDS = 5.0
TERMINAL_SECONDS = 0.2
STATUS_SECONDS = 1.0
WINDOW = 20
"""Reports over which speed is averaged: recent enough to follow a change, long enough to be calm."""


@dataclass(frozen=True)
class Status:
    """The state of one job, as its status file holds it.

    Attributes:
        job: name of the job and of its file; ``phase``: what it does now, for people.
        state: ``running``, ``done`` or ``failed``.
        step, total: updates done and to do; ``loss``: the last one, ``None`` before the first.
        tokens_per_second: recent speed; ``seconds_left``: expected; both ``None`` while unknown.
        updated: seconds since 1970; ``host``, ``process``: where it runs.
    """

    job: str
    phase: str
    state: str
    step: int
    total: int
    loss: float | None
    tokens_per_second: float | None
    seconds_left: float | None
    updated: float
    host: str
    process: int

    @property
    def share(self) -> float:
        """Done part, 0 to 1."""
        return self.step / self.total if self.total else 0.0

    def line(self) -> str:
        """One line for a terminal or a log."""
        parts = [f"{self.job}  {self.phase}  {self.step}/{self.total} {self.share:4.0%}"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4g}")
        if self.tokens_per_second:
            parts.append(f"{self.tokens_per_second:,.0f} tok/s")
        if self.seconds_left is not None and self.state == "running":
            parts.append(f"{clock(self.seconds_left)} left")
        return "  ".join(parts)


class Progress:
    """Reports of one job. Use as a context manager: leaving it writes the last state.

    Args:
        job: name; unique among jobs that share ``folder``.
        folder: where status files go (``results/<scale>/.progress``); ``None`` = no status file.
        stream: where lines go; a terminal gets one line that is rewritten, a log a line every few seconds.
        now: seconds that only go forward, whatever is done to the clock; ``wall``: seconds since 1970
            (tests put their own).
    """

    def __init__(
        self,
        job: str,
        folder: Path | None,
        stream: TextIO = sys.stderr,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._job = job
        self._file = folder / f"{job}.json" if folder else None
        self._stream = stream
        self._now = now
        self._wall = wall
        self._terminal = stream.isatty()
        self._last_line = self._last_status = -math.inf
        self._phase, self._total, self._step = "starting", 0, 0
        self._loss: float | None = None
        self._history: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)
        self._tokens = 0
        self._entered = False

    def __enter__(self) -> Self:
        self._report("running", force=True)
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._report("failed" if kind else "done", force=True)
        if self._terminal:
            self._stream.write("\n")

    def begin(self, phase: str, total: int, step: int = 0) -> None:
        """Start a phase of ``total`` steps of which ``step`` are already done (a resumed run)."""
        self._phase, self._total, self._step, self._loss = phase, total, step, None
        self._history.clear()
        self._history.append((self._now(), step, self._tokens))
        self._report("running", force=True)

    def update(self, step: int, tokens: int = 0, loss: float | None = None) -> None:
        """Report that ``step`` steps of the phase are done, ``tokens`` more tokens seen.

        Cheap enough for every step. Reading a loss from a GPU at every step isn't: ``None`` keeps the last.
        """
        self._step = step
        self._tokens += tokens
        self._loss = self._loss if loss is None else loss
        self._history.append((self._now(), step, self._tokens))
        self._report("running", force=step == self._total)

    def status(self, state: str = "running") -> Status:
        """The state now."""
        speed, left = None, None
        if len(self._history) > 1:
            (start, first, before), (end, last, after) = self._history[0], self._history[-1]
            if end > start:
                speed = (after - before) / (end - start) or None
                if last > first:
                    left = (self._total - last) * (end - start) / (last - first)
        loss = self._loss if self._loss is not None and math.isfinite(self._loss) else None
        return Status(
            self._job, self._phase, state, self._step, self._total, loss, speed, left,
            self._wall(), socket.gethostname(), os.getpid(),
        )  # fmt: skip

    def _report(self, state: str, force: bool) -> None:
        now = self._now()
        line_due = force or now - self._last_line >= (TERMINAL_SECONDS if self._terminal else LOG_SECONDS)
        status_due = self._file and (force or now - self._last_status >= STATUS_SECONDS)
        if not (line_due or status_due):
            return
        status = self.status(state)
        if line_due:
            self._last_line = now
            self._stream.write(f"\r\x1b[2K{status.line()}" if self._terminal else status.line() + "\n")
            self._stream.flush()
        if status_due and self._file:
            self._last_status = now
            try:
                write_json(self._file, asdict(status))
            except RetortError as error:
                if not self._entered:  # nothing could be written at the end, either
                    raise
                self._stream.write(f"{error}\n")  # a full disk: the work itself tells whether it can go on


def read_statuses(folder: Path) -> list[Status]:
    """All status files below ``folder`` (any depth), running jobs first, then by name.

    Raises:
        InputError: a file isn't JSON, or isn't the status of a job.
    """
    found = [_read_status(file) for file in folder.rglob(".progress/*.json")]
    return sorted(found, key=lambda status: (status.state != "running", status.job))


def _read_status(file: Path) -> Status:
    """A status; one written by another version may hold other fields."""
    value = read_json(file)
    if not isinstance(value, dict) or any(not isinstance(value.get(n), k) for n, k in _NEEDED.items()):
        raise InputError(f"{file}: not the status of a job; remove it")
    known: dict[str, Any] = {name: value.get(name) for name in Status.__dataclass_fields__}
    return Status(**known)


_NEEDED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("job", "phase", "state"), str),
    **dict.fromkeys(("step", "total", "updated"), (int, float)),
}


def clock(seconds: float) -> str:
    """A duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
