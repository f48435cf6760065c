"""A ledger of claims: statements of a paper in a form that code can judge, read from YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from retort.config.loading import REPOSITORY, read_yaml
from retort.config.messages import EXPECTED, nearest
from retort.data.superglue.tasks import TASKS
from retort.errors import InputError

LEDGERS = REPOSITORY / "resources" / "claims"
AVERAGE = "average"
WITHOUT_RECORD = "without ReCoRD"
BASELINES = "baselines"
_SCOPES = (AVERAGE, WITHOUT_RECORD, *TASKS)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Cell(_Strict):
    """One row of a result table: a method on a teacher-student pair, written ``GLMD-vc @ T1-S1``."""

    method: str
    pair: str

    def __str__(self) -> str:
        return f"{self.method} @ {self.pair}"


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    method, sign, pair = value.partition(" @ ")
    if not sign or not method.strip() or not pair.strip():
        raise ValueError("a cell as 'method @ pair', e.g. GLMD-vc @ T1-S1")
    return {"method": method.strip(), "pair": pair.strip()}


def _scope(value: Any) -> Any:
    if value not in _SCOPES:
        raise ValueError(f"a task or an average: {nearest(str(value), _SCOPES)}")
    return value


CellText = Annotated[Cell, BeforeValidator(_cell)]
Scope = Annotated[str, BeforeValidator(_scope)]
"""``average`` over the run's tasks, that without ReCoRD (the paper's 10B rows), or one task."""


class Greater(_Strict):
    """``higher`` scores more than ``lower``."""

    kind: Literal["greater"]
    higher: CellText
    lower: CellText
    score: Scope = AVERAGE


class Within(_Strict):
    """Every one of ``cells`` scores what ``reference`` does, give or take ``margin`` points."""

    kind: Literal["at_least_within"]
    reference: CellText
    cells: tuple[CellText, ...] = Field(min_length=1)
    margin: float = Field(gt=0)
    margin_from: str
    score: Scope = AVERAGE


class BestOf(_Strict):
    """``best`` scores more than each of ``rest``; ``baselines``: the single-teacher rows of its pair."""

    kind: Literal["best_of"]
    best: CellText
    rest: Literal["baselines"] | Annotated[tuple[CellText, ...], Field(min_length=1)]
    score: Scope = AVERAGE


class Trend(_Strict):
    """Scores rise along ``rising``."""

    kind: Literal["trend"]
    rising: tuple[CellText, ...] = Field(min_length=3)
    score: Scope = AVERAGE


class Count(_Strict):
    """In at least ``least`` of the comparisons the first cell scores more than the second."""

    kind: Literal["count"]
    comparisons: tuple[tuple[CellText, CellText], ...] = Field(min_length=1)
    least: int = Field(gt=0)
    score: Scope = AVERAGE

    @model_validator(mode="after")
    def _enough(self) -> Count:
        """As many as are asked for."""
        if self.least > len(self.comparisons):
            raise ValueError(f"'least' to be at most {len(self.comparisons)}, the comparisons there are")
        return self


class Correlation(_Strict):
    """The rank correlation of two series of a training run lies above or below a threshold.

    Attributes:
        of, against: names of the series. ``features`` are all teacher-student distances but that of the
            words; of them, it is the share whose correlation is zero or negative.
    """

    kind: Literal["correlation"]
    figure: Literal["figure2", "figure5"]
    cell: CellText
    of: Literal["features", "loss", "l_sp"]
    against: Literal["loss", "l_sp", "perplexity"]
    relation: Literal["above", "below"]
    threshold: float = Field(ge=-1, le=1)
    threshold_from: str


class Coverage(_Strict):
    """The most frequent words, a share ``of_words``, make up at least ``least`` of every text."""

    kind: Literal["coverage"]
    texts: Literal["pretraining", "tasks"]
    of_words: float = Field(gt=0, lt=1)
    least: float = Field(gt=0, lt=1)
    threshold_from: str


class Size(_Strict):
    """The word table of ``smaller`` has at most ``at_most`` of the parameters of that of ``larger``."""

    kind: Literal["size"]
    smaller: CellText
    larger: CellText
    at_most: float = Field(gt=0)


Comparison = Greater | Within | BestOf | Trend | Count
"""Tests of scores."""
Test = Comparison | Correlation | Coverage | Size


class Claim(_Strict):
    """One statement.

    Attributes:
        id: unique in its ledger.
        where: table, figure or section of the paper.
        basis: ``stated`` in the paper's words, or only ``printed``: to be read off its numbers.
        statement: in our words.
        test: what would show it.
        published: the paper's effect where no file of numbers has it; everything else is computed.
        note: what a reader should know about the test.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    where: str
    basis: Literal["stated", "printed"]
    statement: str
    test: Annotated[Test, Field(discriminator="kind")]
    published: float | None = None
    note: str = ""

    @model_validator(mode="after")
    def _no_cell_against_itself(self) -> Claim:
        groups = self.test.comparisons if isinstance(self.test, Count) else (cells_of(self.test),)
        for cells in groups:
            repeated = next((cell for cell in cells if cells.count(cell) > 1), None)
            if repeated is not None:
                raise ValueError(f"cells that differ ({repeated} is compared with itself)")
        return self


class Ledger(_Strict):
    """All claims of a paper."""

    claims: tuple[Claim, ...] = Field(min_length=1)


def cells_of(test: Test) -> tuple[Cell, ...]:
    """The cells a test names (``baselines`` are not named)."""
    if isinstance(test, Greater):
        return test.higher, test.lower
    if isinstance(test, Within):
        return test.reference, *test.cells
    if isinstance(test, BestOf):
        return (test.best,) if isinstance(test.rest, str) else (test.best, *test.rest)
    if isinstance(test, Trend):
        return test.rising
    if isinstance(test, Count):
        return tuple(cell for pair in test.comparisons for cell in pair)
    if isinstance(test, Correlation):
        return (test.cell,)
    return (test.smaller, test.larger) if isinstance(test, Size) else ()


def ledger_path(paper: str) -> Path:
    """The file with the claims of a paper."""
    return LEDGERS / f"{paper}.yaml"


def read_ledger(path: Path) -> tuple[Claim, ...]:
    """Read and check a ledger.

    Raises:
        InputError: no such file, not YAML, or claims that do not hold; one line for each problem.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds the claims of the paper")
    raw = read_yaml(path)
    try:
        ledger = Ledger.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        lines = dict.fromkeys(_line(dict(problem), raw) for problem in error.errors(include_url=False))
        raise InputError("\n".join(f"{path}: {line}" for line in lines)) from None
    names = [claim.id for claim in ledger.claims]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: claim {repeated}: id is used twice; give each claim its own")
    return ledger.claims


def _line(problem: dict[str, Any], raw: dict[str, Any]) -> str:
    """Place, what is wrong and the remedy."""
    location, kind = problem["loc"], problem["type"]
    place, inner = ".".join(map(str, location)) or "ledger", location
    if location[:1] == ("claims",) and len(location) > 1:
        entry = raw["claims"][location[1]]
        name = entry.get("id") if isinstance(entry, dict) else None
        inner = location[2:]
        field = ".".join(str(part) for part in inner if part not in _KINDS)
        place = f"claim {name or f'number {location[1] + 1}'}" + (f": {field}" if field else "")
    if kind == "extra_forbidden":
        return f"{place}: unknown key; {nearest(str(location[-1]), _keys(inner))}"
    if kind == "missing":
        return f"{place}: is missing; add it"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{place}: kind must be one of {', '.join(_KINDS)}; name one"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = EXPECTED.get(kind, message)
    given = json.dumps(problem["input"], default=str)
    return f"{place}: given {given if len(given) <= 60 else given[:57] + '...'}, expected {message}; mend it"


_KINDS: dict[str, type[_Strict]] = {
    "greater": Greater, "at_least_within": Within, "best_of": BestOf, "trend": Trend, "count": Count,
    "correlation": Correlation, "coverage": Coverage, "size": Size,
}  # fmt: skip


def _keys(inner: tuple[Any, ...]) -> list[str]:
    """Keys that are valid at a place inside a claim."""
    kind = next((_KINDS[part] for part in inner if part in _KINDS), Claim)
    return list(kind.model_fields)
