"""Figures of :mod:`retort.benchmarks.peers` as lines and as a CSV."""

from __future__ import annotations

import csv
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from retort.benchmarks.peers import Figure
from retort.files import atomic_path
from retort.runcard import processor_name

COLUMNS = (
    *("date", "machine", "python", "torch", "loss", "peer", "version"),
    *(
        "positions",
        "vocabulary",
        "student_width",
        "teacher_width",
        "measure",
        "value",
        "unit",
        "repeats",
        "note",
    ),
)


def line(figure: Figure) -> str:
    """One line for a terminal."""
    value = figure.note if figure.value is None else f"{figure.value:.3g} {figure.unit}"
    what = f"{figure.loss}, {figure.setting.positions} positions, {figure.peer}"
    return f"{what}: {figure.measure} {value}".strip()


def save(path: Path, found: Sequence[Figure], repeats: int) -> None:
    """Append to a CSV with date, machine and versions, so that numbers can be compared over time."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    origin = (now, processor_name(), platform.python_version(), torch.__version__)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(old)
        writer = csv.writer(stream, lineterminator="\n")
        if not old:
            writer.writerow(COLUMNS)
        for one in found:
            size = one.setting
            sizes = (size.positions, size.vocabulary, size.student, size.teacher)
            value = "" if one.value is None else f"{one.value:.4g}"
            kind = (one.measure, value, one.unit, repeats, one.note)
            writer.writerow([*origin, one.loss, one.peer, one.version, *sizes, *kind])
