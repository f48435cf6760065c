"""Terms of word distributions: which positions of a micro-batch count, and their numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from retort.distill.distances import Distance, TargetDistance
from retort.distill.gathering import Gathered, WordKey
from retort.distill.objective import Objective, Term
from retort.distill.positions import Picked, Positions, TokenGroup
from retort.distill.rows import count, position_mask
from retort.distill.words import word_distance, word_statistic
from retort.models.features import WORDS, Features, Totals


def check(objective: Objective, compressed: bool) -> None:
    """Whether terms ask for nothing but what word terms have.

    Raises:
        ValueError: a term of another site asks for words or chooses among them; words are asked for by a
            student that numbers them otherwise; a choice among the whole batch's in an edited pass.
    """
    for term in objective.terms:
        chooses = isinstance(term.mask, Positions)
        if term.site != "words" and (chooses or isinstance(term.by, TargetDistance)):
            raise ValueError(f"{term.site}: only word terms know which word stands where")
        if isinstance(term.mask, Positions) and term.edited and term.mask.scope == "batch":
            raise ValueError("words of the whole batch cannot be chosen in an edited pass")
    if compressed and objective.needs_targets:
        raise ValueError("a student with a compressed vocabulary numbers words otherwise than the text does")


def known_of(mask: Positions, teacher: Features) -> Tensor:
    """What a mask looks at of the words it chooses among, [n]: what the teacher says of them, or nothing."""
    where, words = mask.where(teacher.predicted), teacher[WORDS]
    if not mask.ranks:
        return torch.zeros(int(where.sum()), device=where.device)
    assert teacher.targets is not None
    return word_statistic(words, where, teacher.targets, mask.statistic)


def key_of(term: Term, mask: Positions, teacher: int) -> WordKey:
    """Under which that is kept."""
    return WordKey(teacher, term.edited, mask.among)


class WordTerms:
    """The word terms of one micro-batch; what several of them ask of a teacher's words is found once.

    Args:
        totals: of the global batch.
        kept: int64 [M], the teachers' words that a student with a compressed vocabulary keeps.
        gathered: from all micro-batches, of which this is the one with that ``number``; ``None``: not asked.

    Attributes:
        parted: how the first term that parts the words did it; ``None``: none has yet.
    """

    def __init__(
        self, totals: Totals, kept: Tensor | None, gathered: Gathered | None = None, number: int = 0
    ) -> None:
        self.totals = totals
        self.kept = kept
        self.gathered = gathered
        self.number = number
        self.parted: Tensor | None = None
        self._known: dict[WordKey, Tensor] = {}

    def rows(self, term: Term, ours: Features, theirs: Features, teacher: int, apart: bool) -> Tensor:
        """From factorised logits, chunk by chunk: [B] if rows are kept ``apart``, else their sum []."""
        assert isinstance(term.by, Distance | TargetDistance)
        pair = ours[WORDS], theirs[WORDS] if self.kept is None else theirs[WORDS].keep(self.kept)
        if isinstance(term.mask, Positions):
            where, weights = self._picked(term, term.mask, ours, theirs, teacher)
            values = word_distance(*pair, where, term.by, ours.targets, weights)
            return _summed(values, where, apart)
        where = position_mask(ours, term.mask, term.site)
        values = word_distance(*pair, where, term.by, ours.targets)
        sums = _summed(values, where, apart)
        if term.norm == "valid" and term.mask != "none":
            return sums * (self.totals.rows / count(self.totals, term.mask, term.site))
        assert isinstance(term.by, Distance), "a word that is masked has no constant where the word matters"
        masked = (~where).sum(1).to(sums.dtype) if apart else where.numel() - len(values)
        return (sums + term.by.masked_value(pair[0].weight.shape[0]) * masked) / where.shape[1]

    def _picked(self, term: Term, mask: Positions, ours: Features, theirs: Features, teacher: int) -> Picked:
        key, where = key_of(term, mask, teacher), mask.where(ours.predicted)
        if mask.scope == "batch" and len(where) < self.totals.rows:
            if self.gathered is None:
                raise ValueError("words are chosen among those of all micro-batches: ask for their losses()")
            values, everywhere, start = self.gathered.words(key, self.number)
        else:
            if key not in self._known:
                self._known[key] = known_of(mask, theirs)
            values, everywhere, start = self._known[key], self._known[key], 0
        if isinstance(mask, TokenGroup) and self.parted is None:
            self.parted = mask.parted(where, values, everywhere, start)
        return mask.pick(where, values, self.totals.rows, everywhere, start)


def _summed(values: Tensor, where: Tensor, apart: bool) -> Tensor:
    if not apart:
        return values.sum()
    return values.new_zeros(len(where)).index_add(0, where.nonzero()[:, 0], values)
