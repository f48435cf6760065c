"""One term at a time: what a student shows beside what a teacher shows, as numbers of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retort.distill.chains import tensors_of
from retort.distill.distances import BatchDistance, GatheringDistance, TargetDistance, full_precision
from retort.distill.gathering import Gathered
from retort.distill.layermaps import Pair
from retort.distill.lenses import Moment
from retort.distill.objective import Term
from retort.distill.reading import Reading
from retort.distill.rows import position_mask, reduced, scaled
from retort.distill.schedules import Clock, Place, value_of
from retort.distill.word_terms import WordTerms
from retort.models.features import CLASS, Features, Shape, Totals

Parts = Mapping[tuple[str, int, int], dict[str, nn.Module]]
"""Trainable parts of a term's chain by term, teacher and place in the chain."""


@dataclass(frozen=True)
class Settings:
    """What the rows of a term depend on besides features."""

    clock: Clock
    totals: Totals
    weights: Tensor | None
    words: WordTerms
    gathered: Gathered | None = None


class Comparisons:
    """Compares a student with its teachers, term by term.

    Args:
        student: shape of the student; ``teachers``: shapes of the teachers.
        reading: what the objective reads of them.
        parts: of the lenses.
    """

    def __init__(self, student: Shape, teachers: Sequence[Shape], reading: Reading, parts: Parts) -> None:
        self.student = student
        self.teachers = tuple(teachers)
        self.reading = reading
        self.parts = parts

    def rows(
        self, name: str, term: Term, ours: Features, theirs: Features, settings: Settings, number: int
    ) -> Tensor:
        """One number per row (class terms: per example), gate and weight included.

        Words and layers give a single number for all rows, where nothing asks for them one by one.
        """
        apart = term.above is not None or (term.weighted and settings.weights is not None)
        clock, layers = settings.clock, self.student.depth(term.site)
        assert term.by is not None
        if term.layers is None:
            if term.site == "words":
                found = settings.words.rows(term, ours, theirs, number, apart)
            else:
                tensors = [ours[CLASS]], [theirs[CLASS]]
                found = self._compare(name, term, Pair((-1,), (-1,)), tensors, ours, settings, number)
            if term.above is not None:
                found = torch.where(found > term.above(clock), found, 0.0)
            return scaled(found, value_of(term.weight, clock, Place(-1, layers)))
        rows = []
        pairs = self.reading.pairs(term, clock, self.teachers[number])
        for pair in pairs:
            weight = value_of(term.weight, clock, Place(pair.student[0], layers, len(pairs)))
            if weight != 0:
                tensors = tensors_of(term, pair, ours, theirs)
                found = self._compare(name, term, pair, tensors, ours, settings, number)
                rows.append(scaled(found, weight))
        if not rows:  # a model of one layer has no inner ones
            return torch.zeros(len(ours.valid), device=ours.valid.device)
        return torch.stack(rows).sum(0) if apart else torch.stack(rows).sum()

    def _compare(
        self,
        name: str,
        term: Term,
        pair: Pair,
        tensors: tuple[list[Tensor], list[Tensor]],
        features: Features,
        settings: Settings,
        number: int,
    ) -> Tensor:
        """Send a pair's tensors through the chain and compare what comes out, row by row."""
        mine, other = self.through(name, term, pair, tensors, features, settings.clock, number)
        by, totals = term.by, settings.totals
        assert by is not None and not isinstance(by, TargetDistance)
        with full_precision(mine):
            if not isinstance(by, BatchDistance):
                return reduced(term, by, mine, other, features, totals)
            where = position_mask(features, term.mask, term.site)
            if isinstance(by, GatheringDistance) and len(where) < totals.rows:
                if settings.gathered is None:
                    raise ValueError(f"{name}: is gathered from all micro-batches: ask for their losses()")
                everywhere = settings.gathered[name, number, pair]
                return by.rows_of_all(mine, other, where, everywhere, len(where) / totals.rows)
            return by.rows(mine, other, where, settings.clock)

    def through(
        self,
        name: str,
        term: Term,
        pair: Pair,
        tensors: tuple[list[Tensor], list[Tensor]],
        features: Features,
        clock: Clock,
        number: int,
    ) -> tuple[Tensor, Tensor]:
        """What a chain makes of a pair's tensors: one for each side."""
        ours, theirs = tensors
        valid = position_mask(features, "valid", term.site)
        heads = {"student": self.student.heads, "teacher": self.teachers[number].heads}
        for index, step in enumerate(term.via):
            modules = self.parts[name, number, index]
            ours, theirs = step(ours, theirs, Moment(clock, pair, valid, heads, modules))
        (mine,), (other,) = ours, theirs
        return mine, other
