"""The cells that a test names, and whether they may stand where they do."""

from __future__ import annotations

from collections.abc import Sequence

from retort.claims.kinds import (
    ANY,
    KINDS,
    LADDER,
    Cell,
    Correlation,
    Cost,
    Count,
    Flatter,
    Greater,
    NoWorse,
    SameNetwork,
    Start,
    Strict,
    Test,
)

_EVERYWHERE = (Greater, NoWorse, Correlation, Cost, SameNetwork, Flatter, Start)
"""Kinds that can be judged on several pairs at once."""


def cells_of(test: Test) -> tuple[Cell, ...]:
    """The cells a test names (``baselines`` are not named)."""
    if isinstance(test, Count):
        return tuple(cell for pair in test.comparisons for cell in pair)
    found: list[Cell] = []
    for name in type(test).model_fields:
        value = getattr(test, name)
        found += [
            item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Cell)
        ]
    return tuple(found)


def misplaced(test: Test, cells: Sequence[Cell]) -> str | None:
    """What is wrong with the places of a test's cells, if anything."""
    for words in ((ANY,), LADDER):
        if any(cell.pair in words for cell in cells):
            named = "', '".join(words)
            if not isinstance(test, _EVERYWHERE):
                return f"a pair by its name ('{named}': for {', '.join(_named(_EVERYWHERE))})"
            if any(cell.pair not in words for cell in cells):
                return f"'{named}' in all cells or in none"
    return None


def _named(kinds: Sequence[type[Strict]]) -> list[str]:
    return [name for name, kind in KINDS.items() if kind in kinds]
