"""Divergences of two word distributions besides KL: bounded, skewed, mixed, and the family that joins them.

``p`` is the teacher's distribution, ``q`` the student's. All is done with logarithms of probabilities, which
are finite however far logits lie apart; what is exponentiated are probabilities and their powers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.distances import KL, Distance, ReverseKL, wide
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def _logs(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """log q and log p [..., C]."""
    return F.log_softmax(wide(student), dim=-1), F.log_softmax(wide(teacher), dim=-1)


def _mixture(share: float, one: Tensor, other: Tensor) -> Tensor:
    """log(share * one + (1 - share) * other) of logarithms, for a share between 0 and 1."""
    return torch.logaddexp(one + math.log(share), other + math.log1p(-share))


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(first || second) of logarithms [..., C] -> [...], with gradients through both."""
    return (first.exp() * (first - second)).sum(-1)


def _through_softmax(share: Tensor, slope: Tensor) -> Tensor:
    """The gradient by logits [..., C] of what has this one by q; ``share`` is q, and is overwritten."""
    return share.mul_(slope - (share * slope).sum(-1, keepdim=True))


def _check_share(name: str, value: float, whole: bool = True) -> None:
    if not 0 <= value <= 1 or (value == 1 and not whole):
        raise ValueError(f"{name} is a share, from 0 to {'1' if whole else 'less than 1'}, not {value}")


@dataclass(frozen=True)
class TotalVariation(Distance):
    """Half the sum of |p - q|: 0 to 1 (f-DISTILL, Wen et al., 2023)."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        ours, theirs = _logs(student, teacher)
        return (theirs.exp() - ours.exp()).abs().sum(-1) / 2

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits [n, C]: by q half the sign of q - p."""
        ours, theirs = _logs(student, teacher)
        share = ours.exp_()
        gap = share - theirs.exp_()
        return gap.abs().sum(-1) / 2, _through_softmax(share, gap.sign_() / 2)


@dataclass(frozen=True)
class GeneralisedJSD(Distance):
    """beta KL(p || m) + (1 - beta) KL(q || m) with m = beta p + (1 - beta) q (GKD, Agarwal et al., 2024).

    Over beta it tends to KL(p || q) as beta goes to 0, over 1 - beta to KL(q || p) as it goes to 1; at the
    ends it is 0 itself, and those limits are taken in its place.

    Attributes:
        beta: the teacher's share of the mixture; 0.5: the Jensen-Shannon divergence.
    """

    beta: float = 0.5

    def __post_init__(self) -> None:
        _check_share("beta", self.beta)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        if self.beta in (0, 1):
            return (ReverseKL() if self.beta else KL())(student, teacher)
        ours, theirs = _logs(student, teacher)
        middle = _mixture(self.beta, theirs, ours)
        return self.beta * _divergence(theirs, middle) + (1 - self.beta) * _divergence(ours, middle)

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits [n, C].

        By q it is (1 - beta) log(q / m): what the mixture adds to both divergences is 1 together. At the ends
        both arguments are overwritten.
        """
        if self.beta in (0, 1):
            return (ReverseKL() if self.beta else KL()).with_slope(student, teacher)
        ours, theirs = _logs(student, teacher)
        middle = _mixture(self.beta, theirs, ours)
        value = self.beta * _divergence(theirs, middle)
        share, gap = ours.exp(), ours.sub_(middle)
        value += (1 - self.beta) * (share * gap).sum(-1)
        return value, _through_softmax(share, gap.mul_(1 - self.beta))


@dataclass(frozen=True)
class Jeffreys(Distance):
    """forward KL(p || q) + (1 - forward) KL(q || p): unbounded, unlike a Jensen-Shannon divergence.

    With 0.9 it is what ATKD's authors (Zhong et al., 2024) call JSD (quirk ``jsd-name``).

    Attributes:
        forward: weight of the forward divergence; 0.5: half of Jeffreys' own.
    """

    forward: float = 0.5

    def __post_init__(self) -> None:
        _check_share("forward", self.forward)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        ours, theirs = _logs(student, teacher)
        return self.forward * _divergence(theirs, ours) + (1 - self.forward) * _divergence(ours, theirs)


@dataclass(frozen=True)
class SkewKL(Distance):
    """KL(p || alpha p + (1 - alpha) q) (DistiLLM, Ko et al., 2024); at most -log alpha.

    Their code leaves out the teacher's entropy, which changes the value and no gradient.

    Attributes:
        alpha: the teacher's share of the mixture; 0: KL(p || q).
    """

    alpha: float = 0.1

    def __post_init__(self) -> None:
        _check_share("alpha", self.alpha, whole=False)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        ours, theirs = _logs(student, teacher)
        return _divergence(theirs, _skewed(self.alpha, theirs, ours))

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits [n, C]: by q it is (alpha - 1) p / m.

        Without a mixture both arguments are overwritten.
        """
        if not self.alpha:
            return KL().with_slope(student, teacher)
        ours, theirs = _logs(student, teacher)
        middle = _skewed(self.alpha, theirs, ours)
        value = _divergence(theirs, middle)
        return value, _through_softmax(ours.exp(), (theirs - middle).exp_().mul_(self.alpha - 1))


@dataclass(frozen=True)
class SkewReverseKL(Distance):
    """KL(q || (1 - alpha) p + alpha q), with gradients through both of its q (DistiLLM, Ko et al., 2024).

    Attributes:
        alpha: the student's share of the mixture; 0: KL(q || p).
    """

    alpha: float = 0.1

    def __post_init__(self) -> None:
        _check_share("alpha", self.alpha, whole=False)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        ours, theirs = _logs(student, teacher)
        return _divergence(ours, _skewed(self.alpha, ours, theirs))

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits [n, C]: by q log(q / m) - alpha q / m + 1.

        Without a mixture both arguments are overwritten.
        """
        if not self.alpha:
            return ReverseKL().with_slope(student, teacher)
        ours, theirs = _logs(student, teacher)
        gap = ours - _skewed(self.alpha, ours, theirs)
        share = ours.exp_()
        value = (share * gap).sum(-1)
        return value, _through_softmax(share, gap - self.alpha * gap.exp())


def _skewed(alpha: float, towards: Tensor, other: Tensor) -> Tensor:
    return _mixture(alpha, towards, other) if alpha else other


@dataclass(frozen=True)
class AlphaBeta(Distance):
    """The alpha-beta divergence (Cichocki et al., 2011), as ABKD distils with it (Wang et al., 2025).

    -1 / (alpha beta) sum of [p^alpha q^beta - (alpha p^(alpha + beta) + beta q^(alpha + beta)) / (alpha +
    beta)], and its limits where one of the two is 0. (1, 0) is KL(p || q), (0, 1) is KL(q || p).

    Attributes:
        alpha, beta: not negative, and not both 0: other divergences of the family are unbounded in
            probabilities that vanish.
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta) < 0 or self.alpha + self.beta == 0:
            raise ValueError(f"alpha and beta are 0 or more, and not both 0: {self.alpha}, {self.beta}")

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., C], [..., C] -> [...]."""
        ours, theirs = _logs(student, teacher)
        if self.beta == 0:
            return self._limit(self.alpha, theirs, ours)
        if self.alpha == 0:
            return self._limit(self.beta, ours, theirs)
        total = self.alpha + self.beta
        powers = self.alpha * (total * theirs).exp() + self.beta * (total * ours).exp()
        both = (self.alpha * theirs + self.beta * ours).exp()
        return (powers / total - both).sum(-1) / (self.alpha * self.beta)

    @staticmethod
    def _limit(power: float, first: Tensor, second: Tensor) -> Tensor:
        """sum of [a log(a / b) - a + b] / power^2 with a, b the powers of both, from logarithms."""
        first, second = power * first, power * second
        return (first.exp() * (first - second) - first.exp() + second.exp()).sum(-1) / power**2
