"""Training state in a scratch folder: written whole, checked when read, the newest sound one wins.

Snakemake deletes the declared outputs of a failed job, so the state that a resumed run needs
lives in an undeclared folder named after the stage's content.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from retort.files import atomic_path, sha256_of

SECONDS_BETWEEN = 30.0
"""A lost half minute is cheap; writing more often is not, for models of a few gigabytes."""

_KEPT = 2
"""The newest state and one before it, in case the newest was damaged."""


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
        """Write the state after ``step`` updates; its file name carries the hash of its bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.folder / f"state-{step:09d}.pt"
        with atomic_path(whole) as temporary:
            torch.save(state, temporary)
            digest = sha256_of(temporary)
        whole.rename(self.folder / f"state-{step:09d}-{digest[:16]}.pt")
        self._last = time.monotonic()
        for old in self._states()[_KEPT:]:
            old.unlink()

    def load(self, map_location: torch.device | str = "cpu") -> tuple[int, dict[str, Any]] | None:
        """The newest sound state and its step, or ``None``; damaged ones are reported and passed over."""
        for path in self._states():
            _, step, digest = path.stem.split("-")
            if sha256_of(path)[:16] != digest:
                print(f"{path}: damaged, going back to the state before it", file=sys.stderr)
                continue
            return int(step), torch.load(path, map_location=map_location, weights_only=True)
        return None

    def remove(self) -> None:
        """Delete the folder: its run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("state-*-*.pt"), reverse=True)
