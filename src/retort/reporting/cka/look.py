"""How methods look in figures: a colour for what is matched, a line and a marker for the variant."""

from __future__ import annotations

from dataclasses import dataclass

from retort.reporting import style

_COLOURS = {"CKA": style.ORANGE, "linear": style.BLUE, "cosine": style.GREEN, "none": style.INK}
_OTHER = "#cc79a7"
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True)
class Look:
    """Of one method in one figure."""

    colour: str
    line: str
    marker: str


def looks(methods: list[str]) -> dict[str, Look]:
    """A look for each method; methods that match the same way share a colour and differ in the rest.

    Args:
        methods: names like ``BART CKA C4``: family, what is matched, variant.
    """
    found: dict[str, Look] = {}
    seen: dict[str, int] = {}
    for method in dict.fromkeys(methods):
        family, _, rest = method.partition(" ")
        kind = rest.partition(" ")[0]
        colour = _COLOURS.get(kind, _OTHER)
        number = seen.get(f"{family} {colour}", 0)
        seen[f"{family} {colour}"] = number + 1
        found[method] = Look(colour, _LINES[number % len(_LINES)], _MARKERS[number % len(_MARKERS)])
    return found
