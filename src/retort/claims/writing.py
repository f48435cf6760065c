"""Judged claims as a file, one line a claim."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retort.errors import InputError
from retort.files import atomic_path

if TYPE_CHECKING:
    from retort.claims.judging import Judgement

COLUMNS = ("id", "where", "statement", "verdict", "effect", "low", "high", "published", "n_seeds", "needed",
           "note", "unit", "basis")  # fmt: skip
FILE = "claims.csv"


def write_claims(judgements: Sequence[Judgement], path: Path) -> None:
    """Write ``claims.csv``; what there is not is left empty."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for judgement in judgements:
            claim, found = judgement.claim, judgement.finding
            numbers = map(_number, (found.effect, found.low, found.high, judgement.published))
            seeds = "" if found.seeds is None else found.seeds
            note = "; ".join(text for text in (found.note, claim.note) if text)
            head = (claim.id, claim.where, claim.statement, found.verdict)
            writer.writerow((*head, *numbers, seeds, found.needed, note, found.unit, claim.basis))


def read_claims(path: Path) -> list[dict[str, str]]:
    """Read what :func:`write_claims` wrote, all fields as text; empty where claims were not judged.

    Raises:
        InputError: a column is missing.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(f"{path}:1: column {lacking[0]!r} is missing; judge the claims again")
        return [{name: row[name] or "" for name in COLUMNS} for row in reader]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
