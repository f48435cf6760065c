"""Training state in a scratch folder: written whole, checked when read, the newest sound one wins.

Snakemake deletes the declared outputs of a failed job, so the state that a resumed run needs
lives in an undeclared folder named after the stage's content.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import torch

from retort.files import atomic_path, remove_folder, sha256_of

SECONDS_BETWEEN = 30.0
"""A lost half minute is cheap; writing more often is not, for models of a few gigabytes."""

_KEPT = 2
"""The newest state and one before it, in case the newest was damaged."""

_STATE = re.compile(r"state-(\d{9})-([0-9a-f]{16})\.pt")
_UNFINISHED = re.compile(r"\.?state-.*\.pt")


class Scratch:
    """Numbered training states of one run.

    Args:
        folder: made on the first save.
        seconds: least time between two saves.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS_BETWEEN) -> None:
        self.folder = folder
        self.seconds = seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._last >= self.seconds

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the state after ``step`` updates; its file name carries the hash of its bytes.

        Raises:
            RetortError: the disk refuses; the states before it are as they were.
        """
        whole = self.folder / f"state-{step:09d}.pt"
        with atomic_path(whole) as temporary:
            # Through a stream of Python, because torch's own file writer forgets what the disk said.
            with temporary.open("wb") as stream:
                torch.save(state, stream)
            digest = sha256_of(temporary)
        whole.rename(self.folder / f"state-{step:09d}-{digest[:16]}.pt")
        self._last = time.monotonic()
        for old in self._states()[_KEPT:]:
            old.unlink()

    def load(self, map_location: torch.device | str = "cpu") -> tuple[int, dict[str, Any]] | None:
        """The newest sound state and its step, or ``None``.

        Damaged states are reported and removed: one that stayed would count among those that are kept, and
        the run that starts afresh would drop its own states for it. So is what a killed writer left.
        """
        states = self._states()
        for left in set(self._files()) - set(states):
            left.unlink()
        for path in states:
            found = _STATE.fullmatch(path.name)
            assert found is not None
            if _readable_digest(path)[:16] == found[2]:
                return int(found[1]), torch.load(path, map_location=map_location, weights_only=True)
            print(f"{path}: damaged, going back to the state before it", file=sys.stderr)
            path.unlink()
        if states:
            print(f"{self.folder}: no sound state is left, starting afresh", file=sys.stderr)
        return None

    def remove(self) -> None:
        """Delete the folder: its run is finished."""
        remove_folder(self.folder)

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if _UNFINISHED.fullmatch(path.name)]

    def _states(self) -> list[Path]:
        """Finished states, newest first."""
        return sorted((path for path in self._files() if _STATE.fullmatch(path.name)), reverse=True)


def _readable_digest(path: Path) -> str:
    """Hash of a file, empty where the disk cannot read it any more."""
    try:
        return sha256_of(path)
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return ""
