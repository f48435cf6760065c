"""Stopping a training job between two updates, with its state saved, because somebody asked for it.

SLURM sends SIGTERM some time before it kills: at the end of a job's time, on preemption, on ``scancel``.
A signal only leaves a note; the training loop looks at it after each update.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from retort.errors import RetortError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

_reasons: list[str] = []


class Interrupted(RetortError):
    """A job stopped on request; the same command goes on from its saved state."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: no fault of the job's, try again


@contextmanager
def listening() -> Iterator[None]:
    """Inside the block signals ask the job to stop instead of killing it."""
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _note(number: int, frame: FrameType | None) -> None:
    ask(signal.Signals(number).name)


def ask(reason: str) -> None:
    """Have the job stop at the next occasion."""
    _reasons.append(reason)


def asked() -> bool:
    """Whether the job is to stop."""
    return bool(_reasons)


def stopped(where: str) -> Interrupted:
    """The error of a job that stops here on request, its own or another process's of the same job."""
    reason = _reasons[0] if _reasons else "another process was asked to stop"
    return Interrupted(f"{reason}: stopped {where}; run the same command again to go on from there")


def obey(where: str) -> None:
    """Stop here if that was asked for; the caller has saved what it needs to go on.

    Raises:
        Interrupted: it was.
    """
    if _reasons:
        raise stopped(where)
