"""Distances between the relations inside a batch: tokens to tokens, layers to layers, rows to rows.

All return one number a row whose mean over the rows is the method's loss on the micro-batch. Where a
method relates different rows, or divides by a count of the micro-batch, splitting a batch changes it;
that is how these methods are defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.distances import BatchDistance
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from retort.distill.schedules import Clock


@dataclass(frozen=True)
class ContrastiveCosine(BatchDistance):
    """LRC-BERT (Fu et al., 2021): near to the own teacher row, far from the other rows of the batch.

    l_b = 1 - (mean over j != b of g_bj - g_bb) / 2 + g_bb, with g_bj the mean over layers and positions of
    1 - cos(student_b, teacher_j), times the number of layers. Needs two rows at least.
    """

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, L, S, H] both -> [B]."""
        count, layers = student.shape[:2]
        ours = F.normalize(student.flatten(1, 2), dim=-1)
        theirs = F.normalize(teacher.flatten(1, 2), dim=-1)
        gap = 1 - torch.einsum("bnh,jnh->bj", ours, theirs) / ours.shape[1]
        own = gap.diagonal()
        others = (gap.sum(1) - own) / (count - 1)
        return layers * (1 - (others - own) / 2 + own)


@dataclass(frozen=True)
class RelationKL(BatchDistance):
    """CKD (Park et al., 2021): KL between softmaxed cosine similarities of tokens, or of layers.

    Attributes:
        of: ``tokens``: each token to the others of its row and layer; ``layers``: each layer to the
            others at the same token. A token or layer is never compared with itself.
    """

    of: str

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, L, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        keep = _pair_mask(where, student.shape[1]) if self.of == "tokens" else _layer_mask(where, student)
        log_student = _log_relations(student, keep, self.of)
        log_teacher = _log_relations(teacher, keep, self.of)
        target = log_teacher.exp()
        change = torch.where(keep, target * (log_teacher - log_student), 0.0)
        weights = where.sum() if self.of == "layers" else (where[:, :, None] & where[:, None, :]).sum()
        layers = student.shape[1]
        size = weights * (layers if self.of == "tokens" else layers * layers)
        return (change.sum() / size).expand(len(student))


_NEVER = -1e4
"""Similarity of a pair that must not count. Finite: torch's KL gives NaN for 0 * -inf."""


def _log_relations(x: Tensor, keep: Tensor, of: str) -> Tensor:
    unit = F.normalize(x if of == "tokens" else x.transpose(1, 2), dim=-1)
    cosine = unit @ unit.transpose(-1, -2)
    return F.log_softmax(torch.where(keep, cosine, _NEVER), dim=-1)


def _pair_mask(where: Tensor, layers: int) -> Tensor:
    """bool [B, 1, S, S]: real pairs of different tokens."""
    pairs = where[:, :, None] & where[:, None, :]
    return (pairs & ~torch.eye(where.shape[1], dtype=torch.bool, device=where.device))[:, None]


def _layer_mask(where: Tensor, x: Tensor) -> Tensor:
    """bool [B, S, L, L]: pairs of different layers at real tokens."""
    different = ~torch.eye(x.shape[1], dtype=torch.bool, device=where.device)
    return where[:, :, None, None] & different


@dataclass(frozen=True)
class RelationAngle(BatchDistance):
    """CKD: squared difference of the angles that triples of tokens, or of layers, make.

    Attributes:
        of: ``tokens``: at each token, between all pairs of its neighbours; ``layers``: between all
            triples of layers at each token.
        window: neighbours of a token (``tokens`` only); at the ends the outermost token repeats.
    """

    of: str
    window: int = 21

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, L, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        if self.of == "tokens":
            ours, theirs = self._around_tokens(student), self._around_tokens(teacher)
            keep = where[:, None, :, None, None]
        else:
            ours, theirs = _angles(student.transpose(1, 2)), _angles(teacher.transpose(1, 2))
            keep = where[:, :, None, None, None]
        error = (ours - theirs).square()
        keep = keep.expand_as(error)
        return (torch.where(keep, error, 0.0).sum() / keep.sum()).expand(len(student))

    def _around_tokens(self, x: Tensor) -> Tensor:
        """[B, L, S, H] -> cosines [B, L, S, W, W] between the directions to the neighbours."""
        length, half = x.shape[2], self.window // 2
        index = torch.arange(length, device=x.device)[:, None] + torch.arange(-half, half + 1, device=x.device)
        near = x[:, :, index.clamp(0, length - 1)]
        unit = F.normalize(near - x[:, :, :, None], dim=-1)
        return unit @ unit.transpose(-1, -2)


def _angles(x: Tensor) -> Tensor:
    """[..., N, H] -> [..., N, N, N]: cosine at point i between the directions to points j and k."""
    unit = F.normalize(x[..., None, :, :] - x[..., :, None, :], dim=-1)
    return unit @ unit.transpose(-1, -2)


@dataclass(frozen=True)
class TokenStructure(BatchDistance):
    """MGSKD (Liu et al., 2022): relations between the tokens, or random spans, of each row.

    Squared differences of scaled dot products in ``heads`` groups, plus smooth-L1 differences of the angles
    among the tokens that the teacher attends to most.

    Attributes:
        heads: groups of dimensions; ``k1``: centres of angles; ``k2``: their neighbours.
        spans: share of the length: pool that many random spans and relate them instead; ``None``: tokens.
    """

    heads: int = 64
    k1: int = 20
    k2: int = 20
    spans: float | None = None

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        if self.spans is not None:
            lengths = self.span_lengths(student.shape[1], clock)
            student, teacher = _pool(student, where, lengths), _pool(teacher, where, lengths)
            where = torch.stack([part.any(1) for part in where.split(lengths, 1)], 1)
        ours, theirs = student * where[..., None], teacher * where[..., None]
        value = self._products(ours, theirs, where) + self._triples(ours, theirs, where)
        return value.expand(len(student))

    def span_lengths(self, length: int, clock: Clock) -> list[int]:
        """Lengths of the random spans, in proportion to |N(0, 1)| plus 1 each."""
        assert self.spans is not None
        count = max(1, int(length * self.spans))
        rng = clock.draw("spans")
        drawn = [abs(rng.gauss(0, 1)) for _ in range(count)]
        return partition(length, drawn)

    def _products(self, ours: Tensor, theirs: Tensor, where: Tensor) -> Tensor:
        pairs = (where[:, :, None] & where[:, None, :])[:, None]
        error = (_grouped(ours, self.heads) - _grouped(theirs, self.heads)).square() * pairs
        return error.sum() / pairs.expand_as(error).sum()

    def _triples(self, ours: Tensor, theirs: Tensor, where: Tensor) -> Tensor:
        raise NotImplementedError


def _grouped(x: Tensor, heads: int) -> Tensor:
    batch, length, width = x.shape
    split = x.reshape(batch, length, heads, width // heads).transpose(1, 2)
    return split @ split.transpose(-1, -2) / (width // heads) ** 0.5
