"""Masks as values: which words of a text count, chosen by what a teacher says of them, and in what they are
averaged.

A mask by name (``predicted``) averages over the whole batch. These say more: they may leave out or add a word
at the ends of a text, keep those that the teacher is sure or unsure of, and take means in smaller scopes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from retort.distill.decoupled import uncertainty
from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Scope = Literal["batch", "micro_batch", "sequence"]


class Picked(NamedTuple):
    """What counts of a micro-batch.

    Attributes:
        where: bool [B, S].
        weights: one for each true position, row by row: weighted values add up to the mean in each scope
            times the rows that the scope is made of.
    """

    where: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Positions:
    """Words at the predicted positions of each row, or near them.

    Attributes:
        of: the ``predicted`` ones, or the ``ignored`` ones, padding included.
        first: with the last word of what comes before the predicted ones, too.
        last: with each row's last predicted word, which ends the text (unless it was cut).
        scope: what a mean is taken in, and words are ranked in: the whole ``batch`` however it is split, a
            ``micro_batch``, or each ``sequence``. Smaller scopes count by their rows; one without any word
            that counts is 0.
    """

    of: Literal["predicted", "ignored"] = "predicted"
    first: bool = False
    last: bool = True
    scope: Scope = "batch"

    ranks: ClassVar[bool] = False
    """Whether it ranks words by what :meth:`statistic` says of them."""

    def where(self, predicted: Tensor) -> Tensor:
        """bool [B, S] from the same: the words among which it chooses."""
        found = predicted
        if not self.last:
            found = found & (predicted.flip(1).cumsum(1).flip(1) > 1)
        if self.first:
            found = found | (F.pad(predicted[:, 1:], (0, 1)) & (predicted.cumsum(1) == 0))
        return found if self.of == "predicted" else F.pad(~found[:, :-1], (0, 1))

    @property
    def among(self) -> tuple[str, bool, bool, bool]:
        """What is known of the words it chooses among hangs on this."""
        return self.of, self.first, self.last, self.ranks

    def statistic(self, logits: Tensor, targets: Tensor) -> Tensor:
        """What the teacher's logits [n, V] say of the words that stand there, int64 [n]: [n]."""
        raise NotImplementedError

    def members(self, values: Tensor) -> Tensor:
        """bool [n]: which words of a scope count, by what is said of them; by a plain mask all."""
        return torch.ones_like(values, dtype=torch.bool)

    def counted(self, members: Tensor) -> Tensor:
        """How many words the mean of a scope is over, at least 1: []."""
        return members.sum().clamp_min(1)

    def pick(self, where: Tensor, values: Tensor, rows: int, everywhere: Tensor, start: int) -> Picked:
        """What counts of a micro-batch.

        Args:
            where: bool [B, S], from :meth:`where`; ``values``: [n], what is said of its true positions.
            rows: of the global batch.
            everywhere: [N], the values of all micro-batches; ``start``: where this one's begin.
        """
        parts = [self._weighted(part, size) for part, size in self._scopes(where, values, rows, everywhere)]
        weights = torch.cat(parts) if len(parts) != 1 else parts[0]
        if self.scope == "batch":
            weights = weights[start : start + len(values)]
        kept = torch.zeros_like(where).masked_scatter(where, weights != 0)
        return Picked(kept, weights[weights != 0])

    def _scopes(
        self, where: Tensor, values: Tensor, rows: int, everywhere: Tensor
    ) -> list[tuple[Tensor, float]]:
        """The values of each scope, and how many rows it is made of."""
        if self.scope == "batch":
            return [(everywhere, float(rows))]
        if self.scope == "micro_batch":
            return [(values, float(len(where)))]
        return [(part, 1.0) for part in values.split(where.sum(1).tolist())]

    def _weighted(self, values: Tensor, rows: float) -> Tensor:
        """float64 [n]: rows over the number of words that count, 0 for a word that does not."""
        members = self.members(values)
        return members.double() * rows / self.counted(members)


@dataclass(frozen=True)
class TokenGroup(Positions):
    """The words that a teacher finds hard, or the easy ones (ATKD, Zhong et al., 2024).

    Hard are those of the highest UnC, the teacher's probability of all words but the one that stands there.

    Attributes:
        group: which of the two counts.
        share: of the words that are hard, 0 to 1; a fraction of a word makes one more, equals are hard in
            the order of the text.
        split: ``top``: the share itself. ``median``: as the authors' code has it, hard from the lower
            median on, equals included (quirk ``median-split``).
        mean: over the ``group``'s words, or over all ``words``, hard and easy.
    """

    group: Literal["hard", "easy"] = "hard"
    share: float = 0.5
    split: Literal["top", "median"] = "top"
    mean: Literal["group", "words"] = "group"

    ranks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or (self.split == "median" and self.share != 0.5):
            raise ValueError(f"share is from 0 to 1, and a half for the median, not {self.share}")

    def statistic(self, logits: Tensor, targets: Tensor) -> Tensor:
        """UnC."""
        return uncertainty(logits, targets)

    def members(self, values: Tensor) -> Tensor:
        """bool [n]."""
        if not len(values):
            return values.bool()
        hard = self._hard(values)
        return hard if self.group == "hard" else ~hard

    def _hard(self, values: Tensor) -> Tensor:
        if self.split == "median":
            return values >= values.median()
        order = values.argsort(descending=True, stable=True)
        hard = torch.zeros_like(values, dtype=torch.bool)
        hard[order[: math.ceil(self.share * len(values))]] = True
        return hard

    def parted(self, where: Tensor, values: Tensor, everywhere: Tensor, start: int) -> Tensor:
        """How the words of a micro-batch were parted, whichever group counts.

        Args:
            where, values, everywhere, start: as :meth:`pick` has them.

        Returns:
            float64 [3], sums over its words: how many are easy, how many hard, and for each the threshold of
            its scope, which is the lowest UnC of a hard word there (1: none is hard).
        """
        found = []
        for part, _ in self._scopes(where, values, 0, everywhere):
            if len(part):
                hard = self._hard(part)
                edge = torch.where(hard, part, 1.0).amin().double().expand(len(part))
                found.append(torch.stack([(~hard).double(), hard.double(), edge]))
        words = torch.cat(found, 1) if found else values.new_zeros((3, 0), dtype=torch.float64)
        return (words[:, start : start + len(values)] if self.scope == "batch" else words).sum(1)

    def counted(self, members: Tensor) -> Tensor:
        """Words of the group, or all of its scope."""
        return super().counted(members if self.mean == "group" else torch.ones_like(members))
