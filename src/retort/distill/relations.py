"""Distances between the relations inside a batch: tokens to tokens, layers to layers, rows to rows.

All return one number a row whose mean over the rows is the method's loss on the micro-batch. Where a
method relates different rows, or divides by a count of the micro-batch, splitting a batch changes it;
that is how these methods are defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.distances import BatchDistance, wide
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from retort.distill.schedules import Clock


def _for_all_rows(value: Tensor, like: Tensor) -> Tensor:
    """A loss that is defined on the whole micro-batch, once for each row [B]."""
    return value.expand(len(like))


@dataclass(frozen=True)
class ContrastiveCosine(BatchDistance):
    """LRC-BERT (Fu et al., 2021): near to the own teacher row, far from the other rows of the batch.

    l_b = 1 - (mean over j != b of g_bj - g_bb) / 2 + g_bb, with g_bj the mean over layers and positions of
    1 - cos(student_b, teacher_j), times the number of layers. A row that is alone has no other to be far
    from: it is only drawn to its teacher.
    """

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, L, S, H] both -> [B]."""
        count, layers = student.shape[:2]
        ours = F.normalize(wide(student).flatten(1, 2), dim=-1)
        theirs = F.normalize(wide(teacher).flatten(1, 2), dim=-1)
        gap = 1 - torch.einsum("bnh,jnh->bj", ours, theirs) / ours.shape[1]
        own = gap.diagonal()
        others = (gap.sum(1) - own) / (count - 1) if count > 1 else own
        return layers * (1 - (others - own) / 2 + own)


@dataclass(frozen=True)
class RelationKL(BatchDistance):
    """CKD (Park et al., 2021): KL between softmaxed cosine similarities of tokens, or of layers.

    Attributes:
        of: ``tokens``: each token to the others of its row and layer; ``layers``: each layer to the
            others at the same token. A token or layer is never compared with itself, yet the pair
            counts in the mean, as in the authors' code (github.com/GeondoPark/CKD, loss.py).
    """

    of: str

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, L, S, H] both -> [B] (equal entries: the loss is defined on the batch)."""
        layers = student.shape[1]
        if self.of == "tokens":
            real = (where[:, :, None] & where[:, None, :])[:, None]
            size = real.sum() * layers
        else:
            student, teacher = student.transpose(1, 2), teacher.transpose(1, 2)
            real = where[:, :, None, None]
            size = real.sum() * layers**2
        keep = real & ~torch.eye(student.shape[2], dtype=torch.bool, device=where.device)
        log_student, log_teacher = _log_relations(student, keep), _log_relations(teacher, keep)
        change = torch.where(keep, log_teacher.exp() * (log_teacher - log_student), 0.0)
        return _for_all_rows(change.sum() / size, where)


_NEVER = -1e4
"""Similarity of a pair that must not count. Finite: with -inf the logarithm of a row without any real pair
is NaN, and so is 0 * -inf in torch's KL."""


def _log_relations(x: Tensor, keep: Tensor) -> Tensor:
    """Log-softmax over the last dimension of the cosines of [..., N, H] among themselves, [..., N, N]."""
    unit = F.normalize(wide(x), dim=-1)
    return F.log_softmax(torch.where(keep, unit @ unit.transpose(-1, -2), _NEVER), dim=-1)


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
        error = torch.where(keep, (ours - theirs).square(), 0.0)
        return _for_all_rows(error.sum() / keep.expand_as(error).sum(), where)

    def _around_tokens(self, x: Tensor) -> Tensor:
        """[B, L, S, H] -> cosines [B, L, S, W, W] between the directions to the neighbours."""
        length, half = x.shape[2], self.window // 2
        index = torch.arange(length, device=x.device)[:, None] + torch.arange(
            -half, half + 1, device=x.device
        )
        near = wide(x)[:, :, index.clamp(0, length - 1)]
        unit = F.normalize(near - wide(x)[:, :, :, None], dim=-1)
        return unit @ unit.transpose(-1, -2)


def _angles(x: Tensor) -> Tensor:
    """[..., N, H] -> [..., N, N, N]: cosine at point i between the directions to points j and k."""
    x = wide(x)
    unit = F.normalize(x[..., None, :, :] - x[..., :, None, :], dim=-1)
    return unit @ unit.transpose(-1, -2)
