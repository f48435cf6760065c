"""Centred kernel alignment of two sets of features, which may differ in width.

The tokens of a batch are the samples: the loss is one number for all of them, a ratio, so that splitting a
batch changes it. :class:`GatheredCKA` is the same number whatever the split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retort.distill.distances import BatchDistance, GatheringDistance
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from retort.distill.schedules import Clock


@dataclass(frozen=True)
class CKA(BatchDistance):
    """1 - sqrt(linear CKA) of the tokens that a mask lets count (Dasgupta and Cohn, 2025).

    With columns centred over the N tokens, ``1 - |S'T| / sqrt((|S'S| + eps) (|T'T| + eps))`` in Frobenius
    norms, as the authors' ``CKALoss`` has it: linear CKA (Kornblith et al., 2019) has the *square* of the
    numerator, so this is 1 minus its root (quirk ``cka-root``). Features that do not vary, a single token or
    none give exactly 1 without gradient; two tokens about 0, whatever they are. As long as there are no more
    tokens than dimensions, the loss is small whatever the content.

    Attributes:
        squared: linear CKA itself, 1 - CKA.
        precision: of the arithmetic, in bits; the authors' is 64.
        eps: added to each norm of a model with itself.
    """

    squared: bool = False
    precision: Literal[32, 64] = 64
    eps: float = 1e-8

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, S, H] and [B, S, H'] -> [B] (equal entries: the loss is defined on the batch)."""
        ours, theirs = self.centred(student[where]), self.centred(teacher[where])
        return self.loss(ours.T @ theirs, ours.T @ ours, theirs.T @ theirs).expand(len(where))

    def loss(self, across: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
        """The loss of centred products: S'T [H, H'], S'S [H, H], T'T [H', H']."""
        shared = torch.linalg.vector_norm(across)
        own = (torch.linalg.vector_norm(ours) + self.eps) * (torch.linalg.vector_norm(theirs) + self.eps)
        return 1 - (shared.square() / own if self.squared else shared / own.sqrt())

    def centred(self, x: Tensor) -> Tensor:
        """[N, H] in the chosen precision, every column with mean 0 (of no token at all: nothing)."""
        x = x.to(torch.float64 if self.precision == 64 else torch.float32)
        return x - x.sum(0, keepdim=True) / max(1, len(x))


@dataclass(frozen=True)
class GatheredCKA(CKA, GatheringDistance):
    """CKA over all micro-batches of a global batch, with its exact gradient (quirk ``cka-micro-batch``).

    The products that CKA is made of are sums over tokens. They are gathered from all micro-batches, in double
    precision, in a pass without gradients. Each micro-batch then puts its own share, with a gradient, in the
    place of the same numbers, so that the gradients of all add up to that of the whole.
    """

    def gathered(self, student: Tensor, teacher: Tensor, where: Tensor) -> Tensor:
        """What adds up over micro-batches: products of the rows [1, s, t], [1 + H + H', 1 + H + H']."""
        columns = [torch.ones_like(student[where][:, :1], dtype=torch.float64)]
        columns += [x[where].double() for x in (student, teacher)]
        joined = torch.cat(columns, 1)
        return joined.T @ joined

    def rows_of_all(
        self, student: Tensor, teacher: Tensor, where: Tensor, everywhere: Tensor, share: float
    ) -> Tensor:
        """[B], of the products of all tokens."""
        here = self.gathered(student, teacher, where)
        value = self._of_products(everywhere + (here - here.detach()), student.shape[-1])
        # Rows are averaged over the global batch; the gradient is whole in each micro-batch already.
        return (value.detach() + (value - value.detach()) / share).expand(len(where))

    def _of_products(self, products: Tensor, width: int) -> Tensor:
        count, sums = products[0, 0], products[0, 1:]
        centred = products[1:, 1:] - sums[:, None] * sums[None] / count.clamp_min(1)
        return self.loss(centred[:width, width:], centred[:width, :width], centred[width:, width:])
