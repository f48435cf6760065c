"""KL taken apart at the word that stands in the text: how likely it is, and how all others compare.

With g the word, p the teacher's distribution and q the student's (Zhao et al., 2022; Zhong et al., 2024)::

    target  TKD = KL(p_g, 1 - p_g || q_g, 1 - q_g)      others  DKD = KL(p without g || q without g)
    KL(p || q) = TKD + (1 - p_g) DKD                    KL(q || p) = the same of q, p, with (1 - q_g)

All is said by two things: the log-odds of g, which are its logit less the logsumexp of the others, and the
log-softmax of the others alone. Both are exact where a probability rounds to 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.distances import Distance, TargetDistance, wide
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def uncertainty(logits: Tensor, targets: Tensor) -> Tensor:
    """UnC: the probability of all words but the one that stands there (Zhong et al., 2024).

    Args:
        logits: [..., V]; ``targets``: int64 [...].

    Returns:
        [...], 0 to 1, exact for a model that is almost certain.
    """
    odds, _ = _parted(wide(logits), targets[..., None])
    return torch.sigmoid(-odds)


@dataclass(frozen=True)
class Decoupled(TargetDistance):
    """target * TKD + others * DKD, each by itself: DKD is not weighted by what the teacher is unsure of.

    (1, 0) and (0, 1) are the two parts; (1, 1) is what ATKD has for hard words (Zhong et al., 2024), (0, 1)
    for easy ones; decoupled KD (Zhao et al., 2022) has weights of its own.

    Attributes:
        target, others: weights.
        reverse: swap the distributions: KL(q || p) of each part.
    """

    target: float = 1.0
    others: float = 1.0
    reverse: bool = False

    def at(self, targets: Tensor) -> DecoupledAt:
        """Where these words stand, int64 [n]."""
        return DecoupledAt(self, targets)


class DecoupledAt(Distance):
    """The same where the words are known."""

    def __init__(self, by: Decoupled, targets: Tensor) -> None:
        self.by = by
        self.word = targets[..., None]

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """[..., V], [..., V] -> [...]."""
        (odds, rest), (their_odds, their_rest) = (_parted(wide(x), self.word) for x in (student, teacher))
        first, second = ((odds, rest), (their_odds, their_rest))[:: 1 if self.by.reverse else -1]
        gap = (first[1] - second[1]).scatter(-1, self.word, 0.0)
        others = (first[1].exp() * gap).sum(-1)
        return self.by.target * _binary(first[0], second[0]) + self.by.others * others

    def with_slope(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n] and its gradient by the student's logits [n, V]; both arguments are overwritten.

        Of the log-odds, TKD has the slope q_g - p_g, reversed q_g (1 - q_g) times the difference of
        log-odds; what goes to g is taken from the others in proportion to q. DKD leaves g alone.
        """
        ours, theirs = (_parted_in_place(wide(x), self.word) for x in (student, teacher))
        return self._reverse_slope(*ours, *theirs) if self.by.reverse else self._slope(*ours, *theirs)

    def _slope(
        self, odds: Tensor, rest: Tensor, their_odds: Tensor, their_rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        given = their_rest.exp()
        gap = their_rest.sub_(rest).scatter_(-1, self.word, 0.0)
        value = self.by.target * _binary(their_odds, odds) + self.by.others * (given * gap).sum(-1)
        up = self.by.target * (odds.sigmoid() - their_odds.sigmoid())[..., None]
        slope = rest.exp_().mul_(self.by.others - up).sub_(given.mul_(self.by.others))
        return value, slope.scatter_(-1, self.word, up)

    def _reverse_slope(
        self, odds: Tensor, rest: Tensor, their_odds: Tensor, their_rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        gap = torch.sub(rest, their_rest, out=their_rest).scatter_(-1, self.word, 0.0)
        chosen = rest.exp_()
        others = (chosen * gap).sum(-1)
        value = self.by.target * _binary(odds, their_odds) + self.by.others * others
        up = (self.by.target * odds.sigmoid() * (-odds).sigmoid() * (odds - their_odds))[..., None]
        slope = gap.sub_(others[..., None]).mul_(self.by.others).sub_(up).mul_(chosen)
        return value, slope.scatter_(-1, self.word, up)


def _parted(logits: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
    """Log-odds of a word [...], and log-softmax of the others [..., V], -inf at the word itself."""
    others = logits.scatter(-1, word, -torch.inf)
    total = others.logsumexp(-1, keepdim=True)
    return (logits.gather(-1, word) - total).squeeze(-1), others - total


def _parted_in_place(logits: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
    own = logits.gather(-1, word)
    total = logits.scatter_(-1, word, -torch.inf).logsumexp(-1, keepdim=True)
    return (own - total).squeeze(-1), logits.sub_(total)


def _binary(first: Tensor, second: Tensor) -> Tensor:
    """KL of two coins, told by their log-odds."""
    heads = first.sigmoid() * (F.logsigmoid(first) - F.logsigmoid(second))
    return heads + (-first).sigmoid() * (F.logsigmoid(-first) - F.logsigmoid(-second))
