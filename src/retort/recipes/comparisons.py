"""How distances and the masks they are averaged over are written: their TeX.

Arithmetic is in :mod:`retort.distill`; this is typography alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retort.distill.alignment import CKA, GatheredCKA
from retort.distill.decoupled import Decoupled
from retort.distill.distances import (
    KL,
    MSE,
    Cosine,
    CosineEmbedding,
    ReverseKL,
    SoftCrossEntropy,
    SumOfSquares,
)
from retort.distill.divergences import (
    AlphaBeta,
    GeneralisedJSD,
    Jeffreys,
    SkewKL,
    SkewReverseKL,
    TotalVariation,
)
from retort.distill.granularities import RowStructure, TokenStructure
from retort.distill.objective import Mask
from retort.distill.positions import Positions, TokenGroup
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.recipes.formulas import number, own_name, renderer_of, upright

# Distances


@dataclass(frozen=True)
class Comparison:
    """A distance of two formulas: what stands before it, its name, and what it does to both sides first."""

    name: str
    factor: str = ""
    before: str = ""
    within_batch: bool = False

    def of(self, ours: str, theirs: str, mask: str) -> str:
        """The distance of two sides; within a batch the mask says what is related."""
        if self.before:
            ours, theirs = f"{self.before}({ours})", f"{self.before}({theirs})"
        given = rf" \mid {mask}" if self.within_batch and mask else ""
        return f"{self.name}({ours}, {theirs}{given})"


def _heated(name: str) -> Callable[[Any], Comparison]:
    def render(value: KL | SoftCrossEntropy) -> Comparison:
        if value.temperature == 1:
            return Comparison(upright(name))
        heat = number(value.temperature)
        return Comparison(f"{upright(name)}_{{{heat}}}", f"{heat}^2" if value.squared else "")

    return render


def _reverse(value: ReverseKL) -> Comparison:
    """Its square of the temperature is part of it."""
    heat = number(value.temperature)
    name = upright("RKL")
    return Comparison(name if heat == "1" else f"{name}_{{{heat}}}", "" if heat == "1" else f"{heat}^2")


def _tokens(value: TokenStructure) -> Comparison:
    name = f"{upright('Tok')}_{{{value.heads},{value.centres},{value.neighbours}}}"
    before = "" if value.spans is None else f"{upright('spans')}_{{{number(value.spans)}}}"
    return Comparison(name, before=before, within_batch=True)


def _angle(value: RelationAngle) -> Comparison:
    window = f",{value.window}" if value.of == "tokens" else ""
    return Comparison(f"{upright('Angle')}_{{{upright(value.of)}{window}}}", within_batch=True)


def _decoupled(value: Decoupled) -> Comparison:
    prefix = "R" if value.reverse else ""
    weights = {upright(f"{prefix}TKD"): value.target, upright(f"{prefix}DKD"): value.others}
    parts = [times([number(w)] if w != 1 else [], name) for name, w in weights.items() if w]
    return Comparison(parts[0] if len(parts) == 1 and 1 in weights.values() else f"({' + '.join(parts)})")


def _alignment(name: str) -> Callable[[Any], Comparison]:
    def render(value: CKA) -> Comparison:
        return Comparison(name + ("^2" if value.squared else ""), within_batch=True)

    return render


DISTANCES: dict[type, Callable[[Any], Comparison]] = {
    KL: _heated("KL"),
    ReverseKL: _reverse,
    CKA: _alignment(upright("CKA")),
    GatheredCKA: _alignment(f"{upright('CKA')}_{{{upright('all')}}}"),
    SoftCrossEntropy: _heated("CE"),
    MSE: lambda value: Comparison(upright("MSE")),
    Cosine: lambda value: Comparison(upright("Cos")),
    CosineEmbedding: lambda value: Comparison(upright("Cos")),
    SumOfSquares: lambda value: Comparison(upright("SSE"), within_batch=True),
    Decoupled: _decoupled,
    TotalVariation: lambda value: Comparison(upright("TV")),
    GeneralisedJSD: lambda value: Comparison(f"{upright('JSD')}_{{{number(value.beta)}}}"),
    Jeffreys: lambda value: Comparison(f"{upright('Jeffreys')}_{{{number(value.forward)}}}"),
    SkewKL: lambda value: Comparison(f"{upright('SKL')}_{{{number(value.alpha)}}}"),
    SkewReverseKL: lambda value: Comparison(f"{upright('SRKL')}_{{{number(value.alpha)}}}"),
    AlphaBeta: lambda value: Comparison(f"{upright('AB')}_{{{number(value.alpha)},{number(value.beta)}}}"),
    ContrastiveCosine: lambda value: Comparison(upright("Contrast"), within_batch=True),
    RelationKL: lambda value: Comparison(f"{upright('Rel')}_{{{upright(value.of)}}}", within_batch=True),
    RelationAngle: _angle,
    TokenStructure: _tokens,
    RowStructure: lambda value: Comparison(f"{upright('Row')}_{{{value.heads}}}", within_batch=True),
}


def comparison(value: object) -> Comparison:
    """How a distance is written."""
    render = renderer_of(value, DISTANCES, "distance")
    if render is None:
        return Comparison(own_name(value))
    found: Comparison = render(value)
    return found


# Masks


_SCOPES = {"batch": "", "micro_batch": "micro", "sequence": "row"}


def _ends(value: Positions) -> tuple[str, str, str]:
    return "first" if value.first else "", "" if value.last else "unended", _SCOPES[value.scope]


def _positions(value: Positions) -> str:
    return _qualified(upright(value.of), *_ends(value))


def _group(value: TokenGroup) -> str:
    share = "median" if value.split == "median" else number(100 * value.share)
    over = ("" if value.of == "predicted" else value.of, "all" if value.mean == "words" else "")
    return _qualified(upright(value.group), share, *over, *_ends(value))


def _qualified(name: str, *told: str) -> str:
    """A name with an index of words and numbers."""
    index = ",".join(each if each[0].isdigit() else upright(each) for each in told if each)
    return f"{name}_{{{index}}}" if index else name


MASKS: dict[type, Callable[[Any], str]] = {Positions: _positions, TokenGroup: _group}


def mask_name(mask: Mask) -> str:
    """How a mask is written; empty: none."""
    if not isinstance(mask, Positions):
        return "" if mask == "none" else upright(mask)
    render = renderer_of(mask, MASKS, "mask")
    return own_name(mask) if render is None else str(render(mask))


def times(factors: list[str], value: str) -> str:
    """A product."""
    return r" \cdot ".join([*filter(None, factors), value])
