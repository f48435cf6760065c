"""Cells by what a run has: the same claim for every scale, whatever its models are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retort.claims.evidence import Evidence
from retort.claims.kinds import ANY, LARGEST, PLACES, SMALLEST, Cell
from retort.errors import InputError


def groups(cells: Sequence[Cell], evidence: Evidence) -> list[tuple[Cell, ...]]:
    """The cells with names of pairs in the place of words for them.

    ``any pair`` makes a group of each pair on which every method of the test ran. ``smallest pair`` and
    ``largest pair`` are those of them with the smallest and largest student; where both stand in one test,
    each is that of its own method, and the one student has to be smaller than the other.

    Returns:
        The cells themselves where they have names; nothing where no pair is meant.
    """
    words = {cell.pair for cell in cells if cell.pair in PLACES}
    if not words:
        return [tuple(cells)]
    sizes = {cell.method: _sizes(cell.method, evidence) for cell in cells if cell.pair in words}
    common = [pair for pair in next(iter(sizes.values())) if all(pair in known for known in sizes.values())]
    if ANY in words:
        return [tuple(Cell(method=cell.method, pair=pair) for cell in cells) for pair in common]
    choice = {method: list(known) if len(words) > 1 else common for method, known in sizes.items()}
    if not all(choice.values()):
        return []
    placed = tuple(
        cell if cell.pair not in words else Cell(method=cell.method, pair=_end(cell, choice, sizes))
        for cell in cells
    )
    if len(words) > 1:
        by_word = {
            word: [
                sizes[c.method][c.pair] for c, cell in zip(placed, cells, strict=True) if cell.pair == word
            ]
            for word in words
        }
        if max(by_word[SMALLEST]) >= min(by_word[LARGEST]):
            return []
    return [placed]


def _end(cell: Cell, choice: dict[str, list[str]], sizes: dict[str, dict[str, int]]) -> str:
    """The smallest or largest of the pairs that a method can stand at."""
    ordered = sorted(choice[cell.method], key=lambda pair: (sizes[cell.method][pair], pair))
    return ordered[0] if cell.pair == SMALLEST else ordered[-1]


def _sizes(method: str, evidence: Evidence) -> dict[str, int]:
    """Parameters of the student of every pair that a method ran on."""
    return {cell.pair: parameters(cell, evidence) for cell in evidence.cells if cell.method == method}


def parameters(cell: Cell, evidence: Evidence) -> int:
    """How many numbers the trained student of a cell has."""
    return sum(_numbers(shape) for shape in tensors(next(iter(evidence.runs[cell].values()))).values())


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


def _numbers(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
