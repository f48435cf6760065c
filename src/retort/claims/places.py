"""Cells by what a run has: the same claim for every scale, whatever its models are called."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from retort.claims.evidence import Evidence
from retort.claims.kinds import ANY, LADDER, LARGEST, PLACES, SMALL_TEACHER, SMALLEST, Cell
from retort.errors import InputError

_CONSTANTS = frozenset({"final_logits_bias"})
"""Stored tensors that are no parameters: BART keeps zeros that it adds to word logits."""


def groups(cells: Sequence[Cell], evidence: Evidence) -> list[tuple[Cell, ...]]:
    """The cells with names of pairs in the place of words for them.

    ``any pair`` makes a group of each teacher and student on which every method of the test ran, whoever
    stands between them. ``smallest pair`` and
    ``largest pair`` are those of them with the smallest and largest student; where both stand in one test,
    each is that of its own method, and the one student has to be smaller than the other. ``smallest
    teacher`` and ``largest teacher`` make a group of each student on which every method ran with several
    teachers.

    Returns:
        The cells themselves where they have names; nothing where no pair is meant.
    """
    words = {cell.pair for cell in cells if cell.pair in PLACES}
    if not words:
        return [tuple(cells)]
    runs = {cell.method: _pairs(cell.method, evidence) for cell in cells if cell.pair in words}
    common = [pair for pair in next(iter(runs.values())) if all(pair in known for known in runs.values())]
    if ANY in words:
        return list(_everywhere(cells, runs))
    if words & set(LADDER):
        return [_on_ladder(cells, ladder) for ladder in _ladders(common, evidence)]
    sizes = {
        method: {pair: numbers(tensors(known[pair])) for pair in (known if len(words) > 1 else common)}
        for method, known in runs.items()
    }
    if not all(sizes.values()):
        return []
    placed = tuple(_placed(cell, sizes) for cell in cells)
    return [placed] if len(words) == 1 or _smaller(cells, placed, sizes) else []


def _everywhere(cells: Sequence[Cell], runs: dict[str, dict[str, Path]]) -> Iterator[tuple[Cell, ...]]:
    """The cells on each teacher and student that all methods have; a method comes once for each assistant."""
    first, *_ = runs.values()
    for ends in dict.fromkeys(map(_ends, first)):
        pairs = [[pair for pair in runs[cell.method] if _ends(pair) == ends] for cell in cells]
        for chosen in product(*pairs):
            yield tuple(Cell(method=cell.method, pair=pair) for cell, pair in zip(cells, chosen, strict=True))


def _ends(pair: str) -> tuple[str, str]:
    """Teacher and student of a pair, without those who stand between them."""
    return pair.partition("-")[0], pair.rpartition("-")[2]


def _ladders(pairs: Sequence[str], evidence: Evidence) -> list[list[str]]:
    """The pairs of each student that has several teachers, by the size of these."""
    known = {cell.pair: min(runs.values()) for cell, runs in evidence.runs.items() if "-" not in cell.pair}
    by_student: dict[str, list[str]] = {}
    for pair in pairs:
        by_student.setdefault(pair.rpartition("-")[2], []).append(pair)
    found = []
    for same in by_student.values():
        sizes = {pair: numbers(tensors(known[pair.partition("-")[0]])) for pair in same if len(same) > 1}
        if len(set(sizes.values())) > 1:
            found.append(sorted(sizes, key=sizes.__getitem__))
    return found


def _on_ladder(cells: Sequence[Cell], pairs: Sequence[str]) -> tuple[Cell, ...]:
    """The cells with the first and the last of the pairs in the place of words for them."""
    return tuple(
        Cell(method=cell.method, pair=pairs[0] if cell.pair == SMALL_TEACHER else pairs[-1]) for cell in cells
    )


def _pairs(method: str, evidence: Evidence) -> dict[str, Path]:
    """The pairs that a method ran on, and one of the runs on each."""
    return {cell.pair: min(runs.values()) for cell, runs in evidence.runs.items() if cell.method == method}


def _placed(cell: Cell, sizes: dict[str, dict[str, int]]) -> Cell:
    """The same with the name of a pair, the smallest or the largest of those given for its method."""
    if cell.pair not in PLACES:
        return cell
    known = sizes[cell.method]
    ordered = sorted(known, key=lambda pair: (known[pair], pair))
    return Cell(method=cell.method, pair=ordered[0] if cell.pair == SMALLEST else ordered[-1])


def _smaller(cells: Sequence[Cell], placed: Sequence[Cell], sizes: dict[str, dict[str, int]]) -> bool:
    """Whether the smallest pairs are others than the largest ones, with smaller students."""
    found: dict[str, dict[str, int]] = {SMALLEST: {}, LARGEST: {}}
    for cell, one in zip(cells, placed, strict=True):
        if cell.pair in found:
            found[cell.pair][one.pair] = sizes[one.method][one.pair]
    small, large = found.values()
    return not small.keys() & large.keys() and max(small.values()) < min(large.values())


def tensors(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a trained model, by name.

    Raises:
        InputError: the run kept no model.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the stage again")
    try:
        with safe_open(path, "numpy") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path}: no weights ({error}); run the stage again") from None


def numbers(model: dict[str, tuple[int, ...]]) -> int:
    """Parameters of a stored model, which has a tensor of several names once."""
    return sum(math.prod(shape) for name, shape in model.items() if name not in _CONSTANTS)
