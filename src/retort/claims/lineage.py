"""The stages that a run came from, by their cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retort.errors import InputError
from retort.runcard import read_card

Ancestor = tuple[Path, dict[str, Any]]
"""Folder of a run, and its card."""


def lineage(folder: Path) -> list[Ancestor]:
    """A run, and those whose results it was started from, one after the other, nearest first.

    Args:
        folder: of a run on a task: ``stages/<stage>/tasks/<run>``.

    Raises:
        InputError: a card is missing or malformed.
    """
    found = [(folder, read_card(folder / "card.json"))]
    while found[-1][1]["stage"].get("init"):
        digest = found[-1][1]["stage"]["init"]
        folder = _stage(folder.parents[2], digest, folder.name)
        found.append((folder, read_card(folder / "card.json")))
        folder = folder if folder.parent.name == "tasks" else folder / "tasks" / "none"
    return found


def pretraining(folder: Path) -> Ancestor | None:
    """The pretraining run that a run on a task was started from."""
    return next((old for old in lineage(folder) if old[1]["stage"].get("phase") == "pretraining"), None)


def _stage(stages: Path, digest: str, run: str) -> Path:
    """Folder of the stage, or of its run on the same task."""
    for stage in sorted(stages.glob(f"*.{digest}")):
        for folder in (stage, stage / "tasks" / run):
            if (folder / "card.json").is_file():
                return folder
    raise InputError(f"{stages}: no card of the stage {digest}, which others start from; train it again")
