"""The numbers behind the figures, as the claims about them ask for them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retort.claims.ledger import Cell, Correlation, Coverage
from retort.errors import InputError

_NAMES = {
    "loss": "loss",
    "l_sp": "l_sp",
    "perplexity": "perplexity",
    "ppl": "perplexity",
    "lm_loss": "perplexity",
}
PRETRAINING = "pretraining"


@dataclass(frozen=True)
class Pairing:
    """One rank correlation of one run: which two series, how strongly."""

    cell: Cell
    seed: str
    of: str
    against: str
    rho: float


def read_correlations(path: Path) -> list[Pairing]:
    """Correlations behind figure 2 or 5; empty where the file does not exist, undefined ones left out.

    A series is called ``loss``, ``l_sp`` (word KL at temperature 15), ``perplexity`` or, for every other
    teacher-student distance, ``features``. Figure 2 has no column ``against``: all is against the loss.

    Raises:
        InputError: a column is missing or a correlation is no number from -1 to 1.
    """
    found = []
    for line, row in _rows(path, ("method", "pair", "seed", "distance", "site", "rho")):
        if not row["rho"]:
            continue
        try:
            rho = float(row["rho"])
        except ValueError:
            rho = float("nan")
        if not -1 <= rho <= 1:
            raise InputError(
                f"{path}:{line}: rho {row['rho']!r} is no number from -1 to 1; draw the figure again"
            )
        against = row.get("against") or "loss"
        cell = Cell(method=row["method"], pair=row["pair"])
        found.append(Pairing(cell, row["seed"], _name(row), _NAMES.get(against, against), rho))
    return found


def by_cell(test: Correlation, pairings: list[Pairing]) -> dict[Cell, list[float]]:
    """The statistic that a test asks for, one value a seed, of every cell that has it."""
    wanted = {test.of, test.against}
    grouped: dict[tuple[Cell, str], list[float]] = {}
    for pairing in pairings:
        if {pairing.of, pairing.against} == wanted:
            grouped.setdefault((pairing.cell, pairing.seed), []).append(pairing.rho)
    found: dict[Cell, list[float]] = {}
    for (cell, _), rhos in grouped.items():
        found.setdefault(cell, []).append(_statistic(test.statistic, rhos))
    return found


def covered(test: Coverage, path: Path) -> dict[str, float]:
    """Share of each text that the most frequent words make up, by text; empty where there is no file.

    Words are ranked by the pretraining corpus. The splits of a task are counted together.

    Raises:
        InputError: a column is missing or a count is no number.
    """
    inside: dict[str, float] = {}
    whole: dict[str, float] = {}
    rows = list(_rows(path, ("source", "rank", "count")))
    try:
        counted = [(row["source"], int(row["rank"]), float(row["count"])) for _, row in rows]
    except ValueError as error:
        raise InputError(f"{path}: a rank or count is no number ({error}); draw the figure again") from None
    last = max((rank for _, rank, _ in counted), default=0)
    for source, rank, count in counted:
        if (source == PRETRAINING) == (test.texts == PRETRAINING):
            whole[source] = whole.get(source, 0.0) + count
            inside[source] = inside.get(source, 0.0) + (count if rank <= test.of_words * last else 0.0)
    return {source: inside[source] / total for source, total in whole.items() if total}


def _statistic(name: str, rhos: list[float]) -> float:
    if name == "share_not_positive":
        return sum(rho <= 0 for rho in rhos) / len(rhos)
    return sum(map(abs, rhos) if name == "size" else rhos) / len(rhos)


def _name(row: dict[str, str]) -> str:
    """What a row's first series is called."""
    for field in (row["distance"], row["site"]):
        if field in _NAMES:
            return _NAMES[field]
    return "l_sp" if (row["distance"], row["site"]) == ("kl", "words") else "features"


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(f"{path}:1: column {lacking[0]!r} is missing; draw the figure again")
        for line, row in enumerate(reader, start=2):
            yield line, {name: value or "" for name, value in row.items()}
