"""The numbers behind the figures, as the claims about them ask for them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retort.claims.kinds import Cell, Correlation, Coverage
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
class Correlated:
    """Two series of a training run, and their rank correlation in each seed; the order of seeds is lost."""

    cell: Cell
    of: str
    against: str
    rhos: tuple[float, ...]


def read_correlations(path: Path) -> list[Correlated]:
    """Correlations behind figure 2 or 5; empty where the file does not exist, undefined ones left out.

    A series is called ``loss``, ``l_sp`` (word KL at temperature 15), ``perplexity`` or, for every other
    teacher-student distance, ``features``. Without a column ``against`` all is against the loss. Rows are
    either of one seed each (column ``seed``) or of several, with their mean, lowest and highest.

    Raises:
        InputError: a column is missing or a correlation is no number from -1 to 1.
    """
    found: dict[tuple[str, ...], list[float]] = {}
    for line, row in _rows(path, ("method", "pair", "distance", "site", "layer", "rho")):
        if row["rho"]:
            against = row.get("against") or "loss"
            place = (row["method"], row["pair"], _name(row), _NAMES.get(against, against))
            key = (*place, row["distance"], row["site"], row["layer"])
            found.setdefault(key, []).extend(_rhos(row, f"{path}:{line}"))
    return [
        Correlated(Cell(method=method, pair=pair), of, against, tuple(rhos))
        for (method, pair, of, against, *_), rhos in found.items()
    ]


def wanted(test: Correlation, found: list[Correlated]) -> list[Correlated]:
    """Those of the two series that a test names, in either order, of any cell."""
    names = {test.of, test.against}
    return [correlated for correlated in found if {correlated.of, correlated.against} == names]


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


def _rhos(row: dict[str, str], place: str) -> list[float]:
    """The correlation in each seed; of more than three, those between the ends are taken as equal."""
    try:
        mean = float(row["rho"])
        seeds = 1 if "seed" in row else int(row["seeds"])
        ends = [mean, mean] if seeds == 1 else [float(row["lowest"]), float(row["highest"])]
    except (KeyError, ValueError):
        raise InputError(f"{place}: no correlation with its seeds; draw the figure again") from None
    if not all(-1 <= rho <= 1 for rho in (mean, *ends)):
        raise InputError(f"{place}: rho {row['rho']!r} is no number from -1 to 1; draw the figure again")
    if seeds == 1:
        return [mean]
    return ends + [(seeds * mean - sum(ends)) / (seeds - 2)] * (seeds - 2) if seeds > 2 else ends


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
