"""The judged claims, read for the page."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from retort.errors import InputError

VERDICTS = ("supported", "contradicted", "undecided", "not run")


@dataclass(frozen=True)
class Claim:
    """One line of ``claims.csv``: a statement of the paper and what the runs say to it; all as text.

    Attributes:
        where: part of the paper, the exhibit first.
        effect, low, high, published: in ``unit``; empty where there is no such number.
        needed: what would decide an undecided claim.
    """

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
    unit: str = ""

    @property
    def exhibit(self) -> str:
        """What the claim is about: the first part of ``where``."""
        return self.where.partition(",")[0]


@dataclass(frozen=True)
class Interval:
    """Where an effect and its interval lie on a bar from 0 (left) to 100; ``zero`` is its middle."""

    left: float
    width: float
    effect: float


def read_claims(path: Path) -> list[Claim] | None:
    """The judged claims; ``None`` where none were judged.

    Raises:
        InputError: a column is missing, a verdict is unknown, or an effect is no number.
    """
    rows = _rows(path)
    if rows is None:
        return None
    found = [Claim(**(row | {"verdict": row["verdict"].replace("_", " ")})) for row in rows]
    for line, claim in enumerate(found, start=2):
        problem = _problem(claim)
        if problem:
            raise InputError(f"{path}:{line}: {problem}; judge the claims again")
    return found


def counts(claims: list[Claim]) -> list[tuple[str, int]]:
    """How many claims got each verdict, in the order of :data:`VERDICTS`."""
    counted = Counter(claim.verdict for claim in claims)
    return [(verdict, counted[verdict]) for verdict in VERDICTS]


def intervals(claims: list[Claim]) -> dict[str, Interval]:
    """A bar for each claim with an effect, by its id, one scale for each unit, with zero in the middle."""
    judged = [claim for claim in claims if claim.effect]
    largest: dict[str, float] = {}
    for claim in judged:
        largest[claim.unit] = max(largest.get(claim.unit, 0.0), *map(abs, _numbers(claim)))
    bars = {}
    for claim in judged:
        scale = largest[claim.unit] or 1.0
        low, effect, high = (round(50 + 50 * value / scale, 1) for value in _numbers(claim))
        bars[claim.id] = Interval(low, round(high - low, 1), effect)
    return bars


def short(number: str) -> str:
    """A number for people: at most two decimals, a real minus sign; empty stays empty."""
    if not number:
        return ""
    text = f"{float(number):.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def _problem(claim: Claim) -> str | None:
    if claim.verdict not in VERDICTS:
        return f"verdict {claim.verdict!r} is none of {', '.join(VERDICTS)}"
    for name in ("effect", "low", "high", "published"):
        text = getattr(claim, name)
        try:
            float(text or 0)
        except ValueError:
            return f"{name} {text!r} is no number"
    return None


def _numbers(claim: Claim) -> tuple[float, float, float]:
    return float(claim.low or claim.effect), float(claim.effect), float(claim.high or claim.effect)


def _rows(path: Path) -> list[dict[str, str]] | None:
    if not path.is_file():
        return None
    names = [field.name for field in fields(Claim)]
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        given = reader.fieldnames or ()
        lacking = [
            field.name for field in fields(Claim) if field.default is MISSING and field.name not in given
        ]
        if lacking:
            raise InputError(f"{path}:1: column {lacking[0]!r} is missing; judge the claims again")
        return [{name: row[name] or "" for name in names if name in given} for row in reader]
