"""One process at a time works on a stage, even where several machines share the file system.

A workflow that was killed leaves jobs in the queue; started again, it submits the same stages once more.
Every process therefore files a numbered claim and has the stage when no living claim has a lower number.
Numbers only grow while anyone has a claim, and creating a file is atomic on every file system (``O_EXCL``),
so there is no moment at which two processes have the stage. No locks of the file system are needed.

Whether a claim lives is known at once on the same machine (its process runs). From elsewhere it lives as
long as its file keeps changing: the change is timed by the watcher's own clock, whatever the file's says.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from retort.training import interruption

BEAT_SECONDS = 5.0
"""A holder shows that often that it lives."""

SILENT_SECONDS = 60.0
"""A holder on another machine that has not shown it for so long is dead."""

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Holder:
    """A process, as others can find it.

    Attributes:
        host: name of its machine, for people.
        system: boot and process namespace in which ``process`` means something; empty if unknown.
        process: its id; ``started``: in clock ticks since boot, as ids are used again.
        slurm_job: id of the SLURM job it runs in.
    """

    host: str
    system: str
    process: int
    started: int | None
    slurm_job: str | None

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        process = os.getpid()
        return cls(
            socket.gethostname(), _system(), process, started_at(process), os.environ.get("SLURM_JOB_ID")
        )

    def __str__(self) -> str:
        job = f", SLURM job {self.slurm_job}" if self.slurm_job else ""
        return f"process {self.process} on {self.host}{job}"


def _system() -> str:
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if not (boot.is_file() and space.exists()):
        return ""
    return f"{boot.read_text(encoding='ascii').strip()}/{space.stat().st_ino}"


def started_at(process: int) -> int | None:
    """When a process of this machine started, in clock ticks since boot; ``None`` if it does not run."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


class Lease:
    """The right to work on a stage. Use as a context manager: entering waits for it, leaving gives it up.

    Args:
        folder: of all claims, on the file system that all machines share.
        name: of the stage.
        me: the claiming process.
        beat, silent: see :data:`BEAT_SECONDS`, :data:`SILENT_SECONDS`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        me: Holder | None = None,
        beat: float = BEAT_SECONDS,
        silent: float = SILENT_SECONDS,
    ) -> None:
        self._folder, self._name = folder, name
        self._me = me or Holder.here()
        self._beat, self._silent = beat, silent
        self._number = 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)
        self._seen: dict[int, tuple[int, float]] = {}
        """What a claim of another machine looked like, and since when."""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = self._claim()
        self._thread.start()
        try:
            self._wait()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _claim(self) -> int:
        """File a claim whose number is the highest."""
        while True:
            number = max(self._numbers(), default=0) + 1
            try:
                with self._path(number).open("x", encoding="utf-8") as stream:
                    json.dump(asdict(self._me), stream)
            except FileExistsError:
                continue
            # Someone with a higher number may have found nobody before it just before this claim was filed.
            if max(self._numbers(), default=0) == number:
                return number
            self._path(number).unlink(missing_ok=True)

    def _wait(self) -> None:
        told = 0
        while (first := next(self._living_before(), None)) is not None:
            number, holder = first
            if number != told:
                print(f"{self._name}: {holder} works on it; waiting for its end", file=sys.stderr, flush=True)
                told = number
            time.sleep(_LOOK_SECONDS)
            interruption.obey("while waiting for another process")

    def _living_before(self) -> Iterator[tuple[int, Holder | str]]:
        """Living claims that come before this one, first first; dead ones are cleared away."""
        for number in sorted(self._numbers()):
            if number >= self._number:
                return
            with contextlib.suppress(FileNotFoundError):  # it was given up just now
                found, living = self._look(number)
                holder = found or "another process"
                if living:
                    yield number, holder
                    continue
                self._path(number).unlink()
                print(f"{self._name}: {holder} has died; taking over", file=sys.stderr, flush=True)

    def _look(self, number: int) -> tuple[Holder | None, bool]:
        """Who filed a claim (``None`` while it is being written) and whether they live."""
        with self._path(number).open(encoding="utf-8") as stream:  # opening asks a file server anew
            text, changed = stream.read(), os.fstat(stream.fileno()).st_mtime_ns
        holder = Holder(**json.loads(text)) if text.endswith("}") else None
        if holder is not None and holder.system and holder.system == self._me.system:
            return holder, started_at(holder.process) == holder.started
        now = time.monotonic()
        before, since = self._seen.get(number, (None, now))
        if changed != before:
            since = now
        self._seen[number] = (changed, since)
        return holder, now - since < self._silent

    def _keep_alive(self) -> None:
        while not self._left.wait(self._beat):
            try:
                os.utime(self._path(self._number))
            except FileNotFoundError:
                interruption.ask(f"another process thought this one dead and has taken {self._name} over")
                return
            except OSError:
                continue  # the file server does not answer now; it may at the next beat

    def _leave(self) -> None:
        self._left.set()
        self._thread.join()
        self._path(self._number).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return [int(path.suffix[1:]) for path in self._folder.glob(f"{glob.escape(self._name)}.lease.*")]

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}.lease.{number}"
