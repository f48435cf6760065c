"""Whole worlds at once; the workflow makes each part by itself."""

from __future__ import annotations

from pathlib import Path

from retort.data.pocket.tasks import BUILDERS
from retort.data.pocket.world import generate_corpus, generate_task


def generate_world(seed: int, out: Path, *, documents: int, train_size: int, dev_size: int) -> None:
    """Write corpus, word list and all tasks of a world to the folder ``out``."""
    generate_corpus(seed, out, documents=documents)
    for task in BUILDERS:
        generate_task(seed, out, task, train_size=train_size, dev_size=dev_size)
