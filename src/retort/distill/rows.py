"""From what one pass showed to numbers: masks, means, one number a row, shares of a global batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from retort.distill.distances import Distance
from retort.distill.objective import Mask, Term
from retort.distill.positions import Positions
from retort.models.features import Features, Totals, moved_right


class Losses(NamedTuple):
    """A micro-batch's share of the global batch's loss.

    Attributes:
        total: what is minimised; ``parts``: the same by term.
        parted: how its words were parted, see :meth:`retort.distill.positions.TokenGroup.parted`; ``None``:
            they were not.
    """

    total: Tensor
    parts: dict[str, Tensor]
    parted: Tensor | None = None

    def idle(self) -> Losses:
        """The same computation, worth nothing."""
        parted = None if self.parted is None else self.parted * 0
        return Losses(self.total * 0, {name: value * 0 for name, value in self.parts.items()}, parted)


@dataclass(frozen=True)
class Seen:
    """Features of one pass: the student's, and those of each teacher."""

    student: Features
    teachers: tuple[Features, ...]


def reduced(
    term: Term, by: Distance, ours: Tensor, theirs: Tensor, features: Features, totals: Totals
) -> Tensor:
    """Mean distance of each row over its positions, with the term's mask."""
    if ours.dim() == 2:
        return by(ours, theirs)
    if term.mask == "none":
        return by(ours, theirs).flatten(1).mean(1)
    where = position_mask(features, term.mask, term.site)
    if ours.shape[:-1] != where.shape:
        raise ValueError(f"{term.site}: a mask needs features [B, S, D], these are {tuple(ours.shape)}")
    if term.norm == "valid":
        values = torch.where(where, by(ours, theirs), 0.0)
        return values.sum(1) * (totals.rows / count(totals, term.mask, term.site))
    keep = where[..., None].to(ours.dtype)
    return by(ours * keep, theirs * keep).mean(1)


def scaled(x: Tensor, weight: float) -> Tensor:
    """``weight * x``, without an operation where it changes nothing: small steps feel each one."""
    return x if weight == 1 else weight * x


def mean_share(rows: Tensor, features: Features, totals: Totals) -> Tensor:
    """Sum of rows (or their sum []) over the number of rows (or examples) of the global batch."""
    if rows.dim() == 0:
        return rows / totals.rows
    return rows.sum() / (totals.rows if len(rows) == len(features.valid) else totals.examples)


def nothing(batch: Any) -> Features:
    """Features of a teacher that need not run."""
    return Features({}, batch.valid, batch.predicted, batch.example_of_row)


def by_row(weights: Tensor, rows: Tensor, features: Features) -> Tensor:
    """Weights of examples [E] laid beside rows, which are examples or their candidates."""
    weights = weights.to(rows.dtype)
    return weights if len(rows) == len(weights) else weights[features.example_of_row]


def position_mask(features: Features, mask: Mask, site: str = "") -> Tensor:
    """bool [B, S]: positions of a site that a mask by name lets count; only an encoder's are told apart."""
    assert not isinstance(mask, Positions)
    valid = features.valid
    if site == "encoder":
        assert features.attended is not None
        valid = features.attended
    if mask == "none":
        return torch.ones_like(valid)
    if mask == "shifted":
        return moved_right(valid)
    return valid if mask == "valid" else features.predicted


def count(totals: Totals, mask: Mask, site: str) -> int:
    """Positions that ``mask`` lets count in the global batch; 1 if there are none, whose sum is 0."""
    valid = totals.attended if site == "encoder" else totals.valid
    assert not isinstance(mask, Positions)
    return max(1, {"valid": valid, "shifted": totals.shifted}.get(mask, totals.predicted))
