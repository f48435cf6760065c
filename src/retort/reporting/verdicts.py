"""The judged claims, read for the page."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from retort.errors import InputError

VERDICTS = ("supported", "contradicted", "undecided", "not run")


@dataclass(frozen=True)
class Claim:
    """One line of ``claims.csv``: a statement of the paper and what the runs say to it; all as text."""

    id: str
    where: str
    statement: str
    verdict: str
    effect: str
    low: str
    high: str
    published: str
    n_seeds: str
    needed: str
    note: str


@dataclass(frozen=True)
class Interval:
    """Where an effect and its interval lie on a bar from 0 (left) to 100; ``zero`` is its middle."""

    left: float
    width: float
    effect: float


def read_claims(path: Path) -> list[Claim] | None:
    """The judged claims; ``None`` where none were judged.

    Raises:
        InputError: a column is missing, or a verdict is unknown.
    """
    rows = _rows(path, tuple(field.name for field in fields(Claim)))
    if rows is None:
        return None
    found = [Claim(**(row | {"verdict": row["verdict"].replace("_", " ")})) for row in rows]
    for line, claim in enumerate(found, start=2):
        if claim.verdict not in VERDICTS:
            raise InputError(
                f"{path}:{line}: verdict {claim.verdict!r} is none of {', '.join(VERDICTS)}; judge again"
            )
    return found


def counts(claims: list[Claim]) -> list[tuple[str, int]]:
    """How many claims got each verdict, in the order of :data:`VERDICTS`."""
    counted = Counter(claim.verdict for claim in claims)
    return [(verdict, counted[verdict]) for verdict in VERDICTS]


def intervals(claims: list[Claim]) -> dict[str, Interval]:
    """A bar for each claim with an effect, by its id, all on one scale with zero in the middle."""
    numbers = {
        claim.id: (float(claim.low or claim.effect), float(claim.effect), float(claim.high or claim.effect))
        for claim in claims
        if claim.effect
    }
    largest = max((abs(value) for triple in numbers.values() for value in triple), default=0.0) or 1.0
    bars = {}
    for name, triple in numbers.items():
        low, effect, high = (round(50 + 50 * value / largest, 1) for value in triple)
        bars[name] = Interval(low, round(high - low, 1), effect)
    return bars


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]] | None:
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(f"{path}:1: column {lacking[0]!r} is missing; write the file again")
        return [_chosen(row, columns) for row in reader]


def _chosen(row: Mapping[str, str | None], columns: tuple[str, ...]) -> dict[str, str]:
    return {name: row[name] or "" for name in columns}
