"""ATKD as we compute it, and by its definition on whole logits, for the comparison with peers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.distill.decoupled import Decoupled, uncertainty
from retort.distill.positions import TokenGroup
from retort.distill.words import word_distance, word_statistic
from retort.models.features import WordLogits
from retort.recipes.atkd import adaptive

Words = tuple[WordLogits, WordLogits]
"""Of student and teacher."""


def our_atkd(words: Words) -> Tensor:
    """ATKD in two passes: the teacher's uncertainty, then both groups of words (Zhong et al., 2024)."""
    student, teacher = words
    where, targets = torch.ones(student.hidden.shape[:2], dtype=torch.bool), stand_there(words)
    known = word_statistic(teacher, where, targets, uncertainty)
    total = student.hidden.new_zeros(())
    for term in adaptive().terms:
        group, by, share = term.mask, term.by, term.weight
        assert isinstance(group, TokenGroup) and isinstance(by, Decoupled) and isinstance(share, float)
        kept, weights = group.pick(where, known, 1, known, 0)
        values = word_distance(student, teacher, kept, by, targets, weights.to(known.dtype))
        total = total + share * values.sum()
    return total


def dense_atkd(words: Words) -> Tensor:
    """ATKD by its definition, on logits that are all multiplied out."""
    student, teacher = words
    targets = stand_there(words)[..., None]
    mine = F.linear(student.hidden, student.weight).log_softmax(-1)
    with torch.no_grad():
        theirs = F.linear(teacher.hidden, teacher.weight).log_softmax(-1)
    at, others = zip(*(_taken_apart(logs, targets) for logs in (theirs, mine)), strict=True)
    target = (at[0].exp() * (at[0] - at[1])).sum(-1)
    kept = torch.ones_like(mine, dtype=torch.bool).scatter(-1, targets, False)
    gap = torch.where(kept, others[0] - others[1], 0)
    rest = (others[0].exp() * gap).sum(-1)
    unsure = at[0][..., 1].flatten()
    hard = torch.zeros_like(unsure, dtype=torch.bool)
    hard[unsure.argsort(descending=True)[: -(-len(unsure) // 2)]] = True
    return 0.2 * rest.flatten()[~hard].mean() + 0.8 * (target + rest).flatten()[hard].mean()


def _taken_apart(logs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [..., 2] of the target and of all others together, and [..., V] of each other."""
    others = logs.scatter(-1, targets, -torch.inf)
    together = others.logsumexp(-1, keepdim=True)
    return torch.cat([logs.gather(-1, targets), together], -1), others - together


def stand_there(words: Words) -> Tensor:
    """Words that stand there, int64 [1, positions]: different ones, the same in every process."""
    return _drawn(words[0].hidden.shape[1], words[0].weight.shape[0])


def _drawn(positions: int, vocabulary: int) -> Tensor:
    """The same by number, int64 [1, positions]."""
    return torch.randint(vocabulary, (1, positions), generator=torch.Generator().manual_seed(1))


def expecting(teacher: WordLogits) -> WordLogits:
    """A teacher that expects the words that stand there, some more and some less than all others together.

    Its log-odds of them are spread evenly: random states would leave every word so unlikely that which is the
    most uncertain is a matter of rounding.
    """
    positions, vocabulary = teacher.hidden.shape[1], teacher.weight.shape[0]
    towards = teacher.weight[_drawn(positions, vocabulary)]
    odds = torch.linspace(-_ODDS, _ODDS, positions)[:, None] + math.log(vocabulary)
    return WordLogits(
        teacher.hidden + odds * towards / towards.square().sum(-1, keepdim=True), teacher.weight
    )


_ODDS = 5.0
"""Log-odds that are as far from even as it gets: 1 in 150."""
