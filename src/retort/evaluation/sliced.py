"""Which students the loss is cut through: those by ATKD, and those of what it was put on (without torch)."""

from __future__ import annotations

from collections.abc import Iterable

from retort.cells import Cell
from retort.recipes.atkd import ADAPTIVE


def beside_atkd(cells: Iterable[Cell]) -> list[Cell]:
    """The students by ATKD and by the same method without it, of each pair that has both.

    Args:
        cells: of one paper.
    """
    students = [cell for cell in cells if cell.role == "student"]
    ran = {(cell.method, cell.pair) for cell in students}
    both = {
        (method, pair)
        for one in ADAPTIVE
        for method, pair in ran
        if method in (one.name, one.tuned_as) and {(one.name, pair), (one.tuned_as, pair)} <= ran
    }
    return [cell for cell in students if (cell.method, cell.pair) in both]
