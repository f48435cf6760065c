"""An objective at work: bound to the shapes of a student and a teacher, it turns features into a loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from retort.distill.layermaps import Pair
from retort.distill.objective import Mask, Objective, Term
from retort.distill.schedules import Clock, value_of
from retort.distill.words import word_distance
from retort.models.features import CLASS, HARD, WORDS, Features, Shape, Site, Totals, WordLogits


class Losses(NamedTuple):
    """A micro-batch's share of the global batch's loss, and the same by term."""

    total: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True)
class _BoundTerm:
    """A term whose layer pairs and lens modules are settled."""

    name: str
    term: Term
    pairs: tuple[Pair, ...]
    modules: tuple[nn.Module | None, ...] = field(hash=False)


class BoundObjective(nn.Module):
    """An objective for a given student and teacher: owns the lenses' parameters.

    Args:
        objective: resolved for its phase.
        student: shape of the student; ``teacher``: shape of the teacher, ``None`` without one.
        kept_words: int64 [M], the teacher's vocabulary rows that a student with a compressed
            vocabulary keeps, in the student's order; the teacher's word distribution is
            renormalised over them.
    """

    def __init__(
        self,
        objective: Objective,
        student: Shape,
        teacher: Shape | None,
        kept_words: Tensor | None = None,
    ) -> None:
        super().__init__()
        if objective.needs_teacher and teacher is None:
            raise ValueError("this objective compares with a teacher, but there is none")
        self.kept_words = kept_words
        self.lenses = nn.ModuleDict()
        self.bound = [self._bind(index, term, student, teacher) for index, term in enumerate(objective.terms)]

    def _bind(self, index: int, term: Term, student: Shape, teacher: Shape | None) -> _BoundTerm:
        name = f"{index}-{term.site}"
        modules: list[nn.Module | None] = []
        for number, lens in enumerate(term.via):
            assert teacher is not None
            module = lens.build(student, teacher)
            modules.append(module)
            if module is not None:
                self.lenses[f"{name}-{number}"] = module
        pairs: list[Pair] = []
        if term.layers is not None:
            assert teacher is not None
            pairs = term.layers.pairs(student.layers, teacher.layers)
        return _BoundTerm(name, term, tuple(pairs), tuple(modules))

    @property
    def student_sites(self) -> frozenset[Site]:
        """What the student must record."""
        return frozenset(site for bound in self.bound for site in _sites(bound, of_teacher=False))

    @property
    def teacher_sites(self) -> frozenset[Site]:
        """What the teacher must record; empty if it need not run."""
        return frozenset(site for bound in self.bound for site in _sites(bound, of_teacher=True))

    def forward(self, student: Features, teacher: Features | None, clock: Clock, totals: Totals) -> Losses:
        """The micro-batch's share of the loss: shares of a split batch add up to its loss."""
        parts: dict[str, Tensor] = {}
        for bound in self.bound:
            weight = value_of(bound.term.weight, clock)
            if weight == 0:
                continue
            parts[bound.name] = weight * self._share(bound, student, teacher, totals)
        if not parts:
            raise ValueError("every term has weight 0: nothing to minimise")
        return Losses(torch.stack(list(parts.values())).sum(), parts)

    def _share(
        self, bound: _BoundTerm, student: Features, teacher: Features | None, totals: Totals
    ) -> Tensor:
        """Sum over this micro-batch's rows, divided by the rows of the global batch."""
        term = bound.term
        if term.site == "hard":
            rows = student[HARD]
            return rows.sum() / (totals.rows if len(rows) == len(student.valid) else totals.examples)
        assert teacher is not None and term.by is not None
        if term.site == "class":
            return term.by(student[CLASS], teacher[CLASS]).sum() / totals.examples
        if term.site == "words":
            return self._words(term, student, teacher, totals)
        rows = [self._rows(bound, pair, student, teacher, totals) for pair in bound.pairs]
        return torch.stack(rows).sum() / totals.rows

    def _words(self, term: Term, student: Features, teacher: Features, totals: Totals) -> Tensor:
        assert term.by is not None
        ours: WordLogits = student[WORDS]
        theirs: WordLogits = teacher[WORDS]
        if self.kept_words is not None:
            theirs = theirs.keep(self.kept_words)
        where = position_mask(student, term.mask)
        values = word_distance(ours, theirs, where, term.by)
        length = where.shape[1]
        if term.norm == "valid" and term.mask != "none":
            return values.sum() / _count(totals, term.mask)
        constant = term.by.masked_value(ours.weight.shape[0]) * (where.numel() - len(values))
        return (values.sum() + constant) / (totals.rows * length)

    def _rows(
        self, bound: _BoundTerm, pair: Pair, student: Features, teacher: Features, totals: Totals
    ) -> Tensor:
        """One number per row [B] for one pair of layers."""
        term = bound.term
        assert term.by is not None
        ours = student[Site(term.site, pair.student[0])]
        theirs = teacher[Site(term.site, pair.teacher[0])]
        for lens, module in zip(term.via, bound.modules, strict=True):
            if lens.side in ("student", "both"):
                ours = lens(ours, module)
            if lens.side in ("teacher", "both"):
                theirs = lens(theirs, module)
        if term.mask == "none":
            return term.by(ours, theirs).flatten(1).mean(1) if ours.dim() > 2 else term.by(ours, theirs)
        where = position_mask(student, term.mask)
        return _masked_rows(term, ours, theirs, where, totals)


def _masked_rows(term: Term, ours: Tensor, theirs: Tensor, where: Tensor, totals: Totals) -> Tensor:
    """Masked mean over the positions of each row of [B, S, D] features."""
    assert term.by is not None
    if ours.shape[:-1] != where.shape:
        raise ValueError(f"{term.site}: a mask needs features [B, S, D], these are {tuple(ours.shape)}")
    if term.norm == "valid":
        values = torch.where(where, term.by(ours, theirs), 0.0)
        return values.sum(1) * (totals.rows / _count(totals, term.mask))
    keep = where[..., None].to(ours.dtype)
    return term.by(ours * keep, theirs * keep).mean(1)


def position_mask(features: Features, mask: Mask) -> Tensor:
    """bool [B, S]: the positions that ``mask`` lets count."""
    if mask == "none":
        return torch.ones_like(features.valid)
    return features.valid if mask == "valid" else features.predicted


def _count(totals: Totals, mask: Mask) -> int:
    """Positions that ``mask`` lets count in the global batch; 1 if there are none, whose sum is 0."""
    return max(1, totals.valid if mask == "valid" else totals.predicted)


def _sites(bound: _BoundTerm, of_teacher: bool) -> list[Site]:
    term = bound.term
    if term.site == "hard":
        return [] if of_teacher else [HARD]
    if term.site in ("words", "class"):
        return [Site(term.site)]
    chosen = [pair.teacher if of_teacher else pair.student for pair in bound.pairs]
    return [Site(term.site, layer) for layers in chosen for layer in layers]
