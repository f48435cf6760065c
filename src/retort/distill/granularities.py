"""MGSKD (Liu et al., 2022): the structure among tokens, spans and rows.

Facts from the method's public code (github.com/LC97-pku/MGSKD, src/loss.py) and from what the authors of
GLMD ran (aitsc/GLMKD, distill/distill_model.py), who cut rows into random spans where the original takes
phrases (quirk ``mgskd-spans``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.distances import BatchDistance, wide
from retort.distill.lenses import common_groups
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from retort.distill.schedules import Clock


@dataclass(frozen=True)
class TokenStructure(BatchDistance):
    """Relations between the tokens, or random spans, of each row.

    Squared differences of scaled dot products in groups of dimensions, plus smooth-L1 differences of the
    angles that pairs of neighbours make at the tokens that matter most in the teacher: ``centres`` tokens
    that get the most softmaxed product from their row, and for each the ``neighbours`` that it gives most.

    Attributes:
        heads: groups of dimensions (fewer where a model is narrower).
        spans: share of the length: relate the means of that many random spans; ``None``: tokens.
    """

    heads: int = 64
    centres: int = 20
    neighbours: int = 20
    spans: float | None = None

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        student, teacher = wide(student), wide(teacher)
        if self.spans is not None:
            lengths = self.span_lengths(student.shape[1], clock)
            student, teacher = _means(student, lengths), _means(teacher, lengths)
            where = torch.stack([part.any(1) for part in where.split(lengths, 1)], 1)
        heads = common_heads(self.heads, student, teacher)
        real = (where[:, :, None] & where[:, None, :])[:, None]
        ours, theirs = _products(student, heads), _products(teacher, heads).detach()
        error = torch.where(real, (ours - theirs).square(), 0.0)
        pairs = error.sum() / (real.sum() * heads)
        centres, neighbours = self._important(theirs, real)
        return (pairs + _triplets(student, teacher, where, centres, neighbours)).expand(len(student))

    def span_lengths(self, length: int, clock: Clock) -> list[int]:
        """Lengths of the random spans: equal for all rows and layers of a step."""
        assert self.spans is not None
        count = max(1, int(length * self.spans))
        rng = clock.draw("spans")
        return partition(length, [abs(rng.gauss(0.0, 1.0)) for _ in range(count)])

    def _important(self, products: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's centres [B, k1] and the neighbours of each [B, k1, k2], as positions."""
        length = products.shape[-1]
        given = torch.where(real, products, -1e4).softmax(-1) * real
        centres = given.sum((1, 2)).topk(min(self.centres, length), dim=1).indices
        among = given.sum(1) * ~torch.eye(length, dtype=torch.bool, device=given.device)
        neighbours = among.topk(min(self.neighbours, length), dim=2).indices
        return centres, _pick(neighbours, centres)


def partition(length: int, shares: Sequence[float]) -> list[int]:
    """Cut ``length`` into as many parts as there are shares: 1 each, the rest in proportion.

    Parts are rounded down; what is left over goes to the last parts, one each.
    """
    free, whole = length - len(shares), sum(shares)
    parts = [1 + int(share / whole * free) for share in shares]
    left = length - sum(parts)
    return [part + (index >= len(parts) - left) for index, part in enumerate(parts)]


@dataclass(frozen=True)
class RowStructure(BatchDistance):
    """Smooth-L1 difference of the angles between all triples of mean-pooled rows, in groups of dimensions.

    Attributes:
        heads: groups of dimensions (fewer where a model is narrower).
    """

    heads: int = 64

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        heads = common_heads(self.heads, student, teacher)
        ours, theirs = (_row_angles(wide(x), where, heads) for x in (student, teacher))
        return F.smooth_l1_loss(ours, theirs.detach()).expand(len(student))


def common_heads(wanted: int, student: Tensor, teacher: Tensor) -> int:
    """Groups that both widths can be cut into, at most ``wanted``, of four dimensions at least."""
    narrowest = min(student.shape[-1], teacher.shape[-1])
    return common_groups(min(wanted, narrowest // 4), student, teacher)


def _means(x: Tensor, lengths: list[int]) -> Tensor:
    """[B, S, H] -> means of consecutive spans [B, spans, H], padding included."""
    return torch.stack([part.mean(1) for part in x.split(lengths, 1)], 1)


def _products(x: Tensor, heads: int) -> Tensor:
    """[B, S, H] -> scaled dot products [B, heads, S, S]."""
    split = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return split @ split.transpose(-1, -2) / split.shape[-1] ** 0.5


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """Entries ``index`` [B, k] of the second dimension of ``x`` [B, S, ...] -> [B, k, ...]."""
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def _triplets(student: Tensor, teacher: Tensor, where: Tensor, centres: Tensor, neighbours: Tensor) -> Tensor:
    """Mean smooth-L1 difference of the angles at the centres; a scalar.

    Counted are angles between two different neighbours where all three tokens are real, and, as the
    authors' mask has it, where the angle is not exactly 0.
    """
    near = _pick(where, neighbours.flatten(1)).view_as(neighbours)
    real = _pick(where, centres)[:, :, None] & near
    different = ~torch.eye(neighbours.shape[-1], dtype=torch.bool, device=where.device)
    keep = real[..., None] & real[..., None, :] & different
    ours, theirs = (_angles_at(x, centres, neighbours) for x in (student, teacher))
    ours, theirs = torch.where(keep, ours, 0.0), torch.where(keep, theirs.detach(), 0.0)
    counted = (keep & (ours != 0)).sum().clamp_min(1)
    return F.smooth_l1_loss(ours, theirs, reduction="sum") / counted


def _angles_at(x: Tensor, centres: Tensor, neighbours: Tensor) -> Tensor:
    """Cosines [B, k1, k2, k2] at each centre between the directions to its neighbours."""
    around = _pick(x, neighbours.flatten(1)).view(*neighbours.shape, -1)
    unit = F.normalize(_pick(x, centres)[:, :, None] - around, dim=-1)
    return unit @ unit.transpose(-1, -2)


def _row_angles(x: Tensor, where: Tensor, heads: int) -> Tensor:
    """[B, S, H] -> cosines [heads, B, B, B] at mean row i between the directions to rows j and k."""
    pooled = (x * where[..., None]).sum(1) / where.sum(1, keepdim=True)
    split = pooled.unflatten(-1, (heads, -1)).transpose(0, 1)
    unit = F.normalize(split[:, None] - split[:, :, None], dim=-1)
    return unit @ unit.transpose(-1, -2)
