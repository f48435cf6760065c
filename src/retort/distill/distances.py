"""Distances between a student's and a teacher's tensor: one number per position, averaged later.

Every distance maps ``(student, teacher)`` of shape [..., D] to [...]: the last dimension is
compared, the others are positions. Logit distances also work on factorised word logits, see
:mod:`retort.distill.words`. All arithmetic is float32 or wider, whatever autocast does.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from retort.distill.schedules import Clock


class Distance:
    """Compares the last dimension of two tensors, position by position."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., D], [..., D] -> [...]."""
        raise NotImplementedError

    def masked_value(self, size: int) -> float:
        """The value at a position whose inputs were both multiplied by zero.

        The authors mask inputs, not losses, so masked positions stay in their means with
        this constant (which has no gradient). ``size`` is the length of the last dimension.
        """
        return 0.0


class TargetDistance:
    """One of word distributions that also looks at which word stands there, so that it has to be told."""

    def at(self, targets: Tensor) -> Distance:
        """The distance at positions whose words are ``targets``, int64 [n]."""
        raise NotImplementedError


class BatchDistance:
    """Compares the positions or rows of a batch with each other; lives in :mod:`retort.distill.relations`."""

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """One number a row [B] whose mean is the loss of the batch; ``where`` bool [B, S]."""
        raise NotImplementedError


class GatheringDistance(BatchDistance):
    """One whose parts add up over micro-batches, so that it can be that of a whole, split batch."""

    def gathered(self, student: Tensor, teacher: Tensor, where: Tensor) -> Tensor:
        """What adds up, of the positions of one micro-batch."""
        raise NotImplementedError

    def rows_of_all(
        self, student: Tensor, teacher: Tensor, where: Tensor, everywhere: Tensor, share: float
    ) -> Tensor:
        """[B]: the distance over all micro-batches, with the gradient of this one.

        Args:
            student, teacher, where: of this micro-batch.
            everywhere: the sum of :meth:`gathered` over all micro-batches.
            share: of the rows of the global batch that are in this micro-batch.
        """
        raise NotImplementedError


@runtime_checkable
class Sloped(Protocol):
    """A distance that knows its own gradient, so that large logits need no autograd."""

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value and its gradient by the student; may overwrite its arguments."""
        ...


def wide(x: Tensor) -> Tensor:
    """Half precision becomes float32; wider types stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Where matrix products on ``x``'s device keep their inputs' type, whatever autocast says."""
    return torch.autocast(x.device.type, enabled=False)


@dataclass(frozen=True)
class KL(Distance):
    """T^2 * KL(teacher || student) of softmax(logits / T) (Hinton et al., 2015).

    Attributes:
        temperature: T.
        squared: multiply by T^2, which keeps gradients comparable across temperatures.
    """

    temperature: float = 1.0
    squared: bool = True

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        temperature = self.temperature
        log_student = F.log_softmax(wide(student) / temperature, dim=-1)
        log_teacher = F.log_softmax(wide(teacher) / temperature, dim=-1)
        # Not log_teacher.exp(): on masked attention scores it underflows, which is 20 times slower on CPUs.
        target = F.softmax(wide(teacher) / temperature, dim=-1)
        value = (target * (log_teacher - log_student)).sum(-1)
        return value * temperature**2 if self.squared else value

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits, T (p_s - p_t) [n, C].

        Half the memory traffic of the same by autograd; both arguments are overwritten.
        """
        scale = self.temperature**2 if self.squared else 1.0
        log_student = F.log_softmax(wide(student).div_(self.temperature), dim=-1)
        log_teacher = F.log_softmax(wide(teacher).div_(self.temperature), dim=-1)
        target = log_teacher.exp()
        value = (target * log_teacher.sub_(log_student)).sum(-1) * scale
        return value, log_student.exp_().sub_(target).mul_(scale / self.temperature)


@dataclass(frozen=True)
class ReverseKL(Distance):
    """T^2 * KL(student || teacher): the student's own distribution is what is averaged over.

    As CKA's authors ran it (Dasgupta and Cohn, 2025, BART/BART-6-XSUM-CKA-Masked-All.py): both
    distributions depend on the student's logits, and the gradient goes through both.

    Attributes:
        temperature: T.
    """

    temperature: float = 1.0

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        log_student = F.log_softmax(wide(student) / self.temperature, dim=-1)
        log_teacher = F.log_softmax(wide(teacher) / self.temperature, dim=-1)
        return (log_student.exp() * (log_student - log_teacher)).sum(-1) * self.temperature**2

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits, T p (log p - log t - KL) [n, C].

        Both arguments are overwritten.
        """
        log_student = F.log_softmax(wide(student).div_(self.temperature), dim=-1)
        gap = log_student - F.log_softmax(wide(teacher).div_(self.temperature), dim=-1)
        chosen = log_student.exp_()
        value = (chosen * gap).sum(-1)
        slope = gap.sub_(value[..., None]).mul_(chosen).mul_(self.temperature)
        return value * self.temperature**2, slope


@dataclass(frozen=True)
class SoftCrossEntropy(Distance):
    """Cross-entropy of softmax(student / T) under softmax(teacher / T).

    The authors' fine-tuning form has no T^2, so at high temperature it is nearly silent beside
    the hard loss (quirk ``soft-loss-t2``).
    """

    temperature: float = 1.0
    squared: bool = False

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        target = F.softmax(wide(teacher) / self.temperature, dim=-1)
        value = -(target * F.log_softmax(wide(student) / self.temperature, dim=-1)).sum(-1)
        return value * self.temperature**2 if self.squared else value

    def masked_value(self, size: int) -> float:
        """The entropy of a uniform distribution."""
        return math.log(size) * (self.temperature**2 if self.squared else 1.0)


@dataclass(frozen=True)
class MSE(Distance):
    """Mean squared difference."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., D], [..., D] -> [...]."""
        return (wide(student) - wide(teacher)).square().mean(-1)


@dataclass(frozen=True)
class Cosine(Distance):
    """1 - cosine similarity; two zero vectors count as orthogonal."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., D], [..., D] -> [...]."""
        return 1 - F.cosine_similarity(wide(student), wide(teacher), dim=-1)

    def masked_value(self, size: int) -> float:
        """Zero vectors have cosine 0."""
        return 1.0


@dataclass(frozen=True)
class CosineEmbedding(Cosine):
    """The same number from ``torch.nn.CosineEmbeddingLoss``, whose slope at a zero vector is gentler.

    CKA's authors (Dasgupta and Cohn, 2025) compare hidden states of equal width with it.
    """

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., D], [..., D] -> [...]."""
        ours, theirs = (wide(x).reshape(-1, x.shape[-1]) for x in (student, teacher))
        value = F.cosine_embedding_loss(ours, theirs, ours.new_ones(len(ours)), reduction="none")
        return value.view(student.shape[:-1])


@dataclass(frozen=True)
class SumOfSquares(BatchDistance):
    """Squared difference summed over the batch, not averaged (RAIL-KD as GLMD's authors ran it)."""

    def rows(self, student: Tensor, teacher: Tensor, where: Tensor, clock: Clock) -> Tensor:
        """[B, D], [B, D] -> [B]; times B, because rows are averaged afterwards."""
        return (wide(student) - wide(teacher)).square().sum(-1) * len(student)
