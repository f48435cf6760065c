"""Cells by what a run has: the same claim for every scale, whatever its models are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retort.claims.evidence import Evidence
from retort.claims.kinds import ANY, LARGEST, PLACES, SMALLEST, Cell
from retort.errors import InputError


def groups(cells: Sequence[Cell], evidence: Evidence) -> list[tuple[Cell, ...]]:
    """The cells with names of pairs in the place of words for them.

    Words are for the pairs on which every method of the test ran that has such a word: ``any pair`` makes a
    group of each, ``smallest pair`` and ``largest pair`` are those with the smallest and largest student.

    Returns:
        The cells themselves where they have names; nothing where no pair is meant, or the smallest pair is
        laid beside the largest and there is only one.
    """
    words = {cell.pair for cell in cells if cell.pair in PLACES}
    if not words:
        return [tuple(cells)]
    common = _common({cell.method for cell in cells if cell.pair in words}, evidence)
    if ANY in words:
        return [tuple(Cell(method=cell.method, pair=pair) for cell in cells) for pair in common]
    if len(common) < len(words):
        return []
    ordered = sorted(common, key=lambda pair: (common[pair], pair))
    names = {SMALLEST: ordered[0], LARGEST: ordered[-1]}
    return [tuple(Cell(method=c.method, pair=names.get(c.pair, c.pair)) for c in cells)]


def _common(methods: set[str], evidence: Evidence) -> dict[str, int]:
    """Parameters of the student of every pair on which all methods ran."""
    by_method = {m: {cell.pair: cell for cell in evidence.cells if cell.method == m} for m in methods}
    first, *rest = by_method.values()
    return {pair: parameters(cell, evidence) for pair, cell in first.items() if all(pair in r for r in rest)}


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
