"""A ledger of claims: statements of a paper in a form that code can judge, read from YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from retort.claims.kinds import KINDS, Count, Strict, Test
from retort.claims.naming import cells_of, misplaced
from retort.config.loading import REPOSITORY, read_yaml
from retort.config.messages import EXPECTED, nearest
from retort.errors import InputError

LEDGERS = REPOSITORY / "resources" / "claims"


class Claim(Strict):
    """One statement.

    Attributes:
        id: unique in its ledger.
        where: table, figure or section of the paper.
        basis: ``stated`` in the paper's words, or only ``printed``: to be read off its numbers;
            ``reported`` by others who read it (reviewers, notes); ``criticism`` that came later.
        statement: in our words.
        test: what would show it.
        published: the paper's effect where no file of numbers has it; everything else is computed.
        note: what a reader should know about the test.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    where: str
    basis: Literal["stated", "printed", "reported", "criticism"]
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
            problem = misplaced(self.test, cells)
            if problem is not None:
                raise ValueError(problem)
        return self


class Ledger(Strict):
    """All claims of a paper."""

    claims: tuple[Claim, ...] = Field(min_length=1)


def ledger_path(paper: str) -> Path:
    """The file with the claims of a paper."""
    return LEDGERS / f"{paper}.yaml"


def read_ledger(path: Path, paper: str) -> tuple[Claim, ...]:
    """Read and check a ledger.

    Args:
        path: of the file.
        paper: whose claims; it decides the tasks that they can be about.

    Raises:
        InputError: no such file, not YAML, or claims that do not hold; one line for each problem.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds the claims of the paper")
    raw = read_yaml(path)
    try:
        ledger = Ledger.model_validate_json(json.dumps(raw, default=str), context={"paper": paper})
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
        field = ".".join(str(part) for part in inner if part not in KINDS)
        place = f"claim {name or f'number {location[1] + 1}'}" + (f": {field}" if field else "")
    if kind == "extra_forbidden":
        return f"{place}: unknown key; {nearest(str(location[-1]), _keys(inner))}"
    if kind == "missing":
        return f"{place}: is missing; add it"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{place}: kind must be one of {', '.join(KINDS)}; name one"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = EXPECTED.get(kind, message)
    given = json.dumps(problem["input"], default=str)
    return f"{place}: given {given if len(given) <= 60 else given[:57] + '...'}, expected {message}; mend it"


def _keys(inner: tuple[Any, ...]) -> list[str]:
    """Keys that are valid at a place inside a claim."""
    kind = next((KINDS[part] for part in inner if part in KINDS), Claim)
    return list(kind.model_fields)
