"""How methods look in figures: a colour for the method, a full line where ATKD is on it."""

from __future__ import annotations

from typing import Any

from retort.recipes.atkd import WITH_ATKD
from retort.reporting import style

COLOURS = {
    "Supervised KD": style.BLUE, "Reverse KD": style.GREEN, "ImitKD": style.ORANGE, "f-distill": "#cc79a7",
    "GKD": "#56b4e9", "SFT": style.INK, "SeqKD": "#8a6d00",
}  # fmt: skip
_OTHER = style.FAINT


def line_of(method: str) -> dict[str, Any]:
    """What matplotlib draws a method's line and markers by."""
    adaptive = method.endswith(WITH_ATKD)
    colour = COLOURS.get(method.removesuffix(WITH_ATKD), _OTHER)
    return {
        "color": colour,
        "ls": "-" if adaptive else "--",
        "marker": "o" if adaptive else "s",
        "mfc": colour if adaptive else "none",
        "ms": 4,
    }
