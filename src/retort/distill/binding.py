"""An objective at work: bound to a student and its teachers, it turns a batch into a loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retort.distill.chains import lens_modules, lens_name, parts_of, tensors_of
from retort.distill.comparing import Comparisons, Settings
from retort.distill.distances import GatheringDistance
from retort.distill.ensembles import examples_of
from retort.distill.gathering import Gathered, forget, random_state
from retort.distill.objective import Objective, Term
from retort.distill.passes import Passes
from retort.distill.positions import Positions
from retort.distill.reading import Reading
from retort.distill.rows import (
    Losses,
    Seen,
    by_row,
    mean_share,
    position_mask,
    scaled,
)
from retort.distill.schedules import Clock, Place, value_of
from retort.distill.word_terms import WordTerms, check, key_of, known_of
from retort.models.features import (
    CLASS,
    HARD,
    WORDS,
    Family,
    Shape,
    Site,
    Totals,
)

_HEADS = frozenset({WORDS, CLASS, HARD})
"""Sites behind a model's head, which a pass that only gathers hidden states does without."""


class BoundObjective(nn.Module):
    """An objective for a given student and teachers: owns the lenses' parameters.

    Args:
        objective: resolved for its phase.
        student: shape of the student; ``teachers``: shapes of the teachers, none without any.
        kept_words: int64 [M], the teachers' vocabulary rows that a student with a compressed
            vocabulary keeps, in the student's order; the teachers' word distributions are
            renormalised over them.
    """

    def __init__(
        self,
        objective: Objective,
        student: Shape,
        teachers: Sequence[Shape] = (),
        kept_words: Tensor | None = None,
    ) -> None:
        super().__init__()
        if objective.needs_teacher and not teachers:
            raise ValueError("this objective compares with a teacher, but there is none")
        if any(term.edited and isinstance(term.by, GatheringDistance) for term in objective.terms):
            raise ValueError("a distance of the whole batch cannot be taken of an edited pass")
        check(objective, compressed=kept_words is not None)
        self.objective = objective
        self.student = student
        self.teachers = tuple(teachers)
        self.kept_words = kept_words
        self.reading = Reading(objective, student, teachers)
        self.passes = Passes(objective, self.reading)
        self.names = [f"{index}-{term.site}" for index, term in enumerate(objective.terms)]
        self.lenses = nn.ModuleDict()
        for number, shape in enumerate(teachers):
            for name, term in zip(self.names, objective.terms, strict=True):
                made = lens_modules(term, name, number, student, shape)
                self.lenses.update({key: lens for key, lens in made.items() if key not in self.lenses})
        self.policy = objective.ensemble.build(student, self.teachers)
        parts = {
            (name, number, index): parts_of(self.lenses, lens_name(step, name, number, index))
            for number in range(len(self.teachers))
            for name, term in zip(self.names, objective.terms, strict=True)
            for index, step in enumerate(term.via)
        }
        self.comparisons = Comparisons(student, self.teachers, self.reading, parts)

    def student_sites(self, clock: Clock, edited: bool = False) -> frozenset[Site]:
        """What the student must record in the untouched (or the edited) pass."""
        return self.reading.student_sites(clock, edited)

    def teacher_sites(self, clock: Clock, number: int, edited: bool = False) -> frozenset[Site]:
        """What a teacher must record; empty if it need not run."""
        return self.reading.teacher_sites(clock, number, edited)

    def cacheable(self, number: int, stored: frozenset[Site]) -> bool:
        """Whether a teacher never need run, because ``stored`` sites are all that is ever read of it."""
        return self.reading.cacheable(number, stored)

    def losses(
        self, batches: Sequence[Any], student: Family, teachers: Sequence[Family], clock: Clock
    ) -> Iterator[Losses]:
        """The loss of each micro-batch of a global batch, in order; to be used up one at a time.

        Terms that gather something from all micro-batches get it in a first pass without gradients. Where the
        student runs in it, the second pass repeats its random draws (dropout); where words are chosen, only
        the teachers run, and what they show is kept.

        Raises:
            ValueError: they are a part of the global batch, of which something is to be gathered.
        """
        if len(batches) == 1 or not self.objective.gathers:
            yield from (self.loss(batch, student, teachers, clock) for batch in batches)
            return
        rows, here = batches[0].totals.rows, sum(len(batch.valid) for batch in batches)
        if here != rows:
            raise ValueError(f"something is gathered from a whole batch of {rows} rows, and these are {here}")
        gathered, states = Gathered(), []
        sums = any(isinstance(term.by, GatheringDistance) for term in self.objective.terms)
        for number, batch in enumerate(batches):
            states.append(random_state(batch.valid.device))
            with torch.no_grad():
                if sums:
                    self._gather_sums(batch, student, teachers, clock, gathered)
                if any(mask.scope == "batch" for mask in self.objective.choices):
                    self._gather_words(batch, student, teachers, clock, gathered, number)
        for number, (batch, state) in enumerate(zip(batches, states, strict=True)):
            if sums:  # otherwise no student ran, and nothing was drawn
                forget(state, batch.valid.device)
            yield self.loss(batch, student, teachers, clock, gathered, number)

    def _gather_words(
        self,
        batch: Any,
        student: Family,
        teachers: Sequence[Family],
        clock: Clock,
        gathered: Gathered,
        number: int,
    ) -> None:
        """Run the teachers on a micro-batch, and note what they say of the words to choose among."""
        patch = self.passes.patches(batch, student, teachers, clock)[1]
        shown = self.passes.shown(batch, teachers, clock, patch, edited=False)
        gathered.shown.append(shown)
        for term in self.objective.terms:
            if isinstance(term.mask, Positions) and term.mask.scope == "batch":
                for teacher, features in enumerate(shown):
                    if WORDS in features.values:
                        key = key_of(term, term.mask, teacher)
                        gathered.note(key, number, known_of(term.mask, features))

    def _gather_sums(
        self, batch: Any, student: Family, teachers: Sequence[Family], clock: Clock, gathered: Gathered
    ) -> None:
        """Add what a micro-batch has for the distances that gather."""
        seen = self.passes.first(batch, student, teachers, clock, without=_HEADS)
        first = self.objective.ensemble.encoders
        for name, term in zip(self.names, self.objective.terms, strict=True):
            if isinstance(term.by, GatheringDistance) and not self.reading.silent(term, clock):
                where = position_mask(seen.student, term.mask, term.site)
                for number, theirs in enumerate(seen.teachers[first:], start=first):
                    for pair in self.reading.pairs(term, clock, self.teachers[number]):
                        tensors = tensors_of(term, pair, seen.student, theirs)
                        ours, other = self.comparisons.through(
                            name, term, pair, tensors, seen.student, clock, number
                        )
                        gathered.add((name, number, pair), term.by.gathered(ours, other, where))

    def loss(
        self,
        batch: Any,
        student: Family,
        teachers: Sequence[Family],
        clock: Clock,
        gathered: Gathered | None = None,
        number: int = 0,
    ) -> Losses:
        """Run student and teachers on a micro-batch and compare them.

        Shares of a split batch add up to the whole batch's loss, except where a term compares
        rows with each other.

        Args:
            batch: with the totals of its global batch.
            student, teachers: as in :meth:`__init__`.
            clock: the training clock.
            gathered: from all micro-batches of the global batch, of which this is the one with that
                ``number``; see :meth:`losses`.

        Raises:
            ValueError: no term has any weight at this moment.
        """
        kept = gathered.shown[number] if gathered is not None and gathered.shown else None
        first = self.passes.first(batch, student, teachers, clock, kept=kept)
        second: Seen | None = None
        edit = self.objective.edit
        if edit is not None and edit.second_pass:
            both = edit.patches(clock, batch, student, teachers[0], (first.student, first.teachers[0]))
            second = self.passes.run(batch, student, teachers, clock, both, edited=True)
        found = self.compare(first, second, clock, batch.totals, gathered, number)
        return found.idle() if batch.totals.idle else found

    def compare(
        self,
        first: Seen,
        second: Seen | None,
        clock: Clock,
        totals: Totals,
        gathered: Gathered | None = None,
        number: int = 0,
    ) -> Losses:
        """The loss of features that were recorded already (``second``: in the edited pass)."""
        weights = None
        ensemble = self.objective.ensemble
        if first.teachers and ensemble.by_example:
            weights = ensemble.weights(first.student, first.teachers, clock, self.policy)
        parts: dict[str, Tensor] = {}
        words = WordTerms(totals, self.kept_words, gathered, number)
        settings = Settings(clock, totals, weights, words, gathered)
        for name, term in zip(self.names, self.objective.terms, strict=True):
            if not self.reading.silent(term, clock):
                seen = second if term.edited else first
                assert seen is not None
                parts[name] = self._share(name, term, seen, settings)
        if not parts:
            raise ValueError("every term has weight 0: nothing to minimise")
        extra = self.objective.ensemble.extra_loss(first.student, first.teachers, clock, self.policy)
        if extra is not None:
            parts["ensemble"] = extra * (examples_of(first.student) / totals.examples)
        return Losses(torch.stack(list(parts.values())).sum(), parts, words.parted)

    def _share(self, name: str, term: Term, seen: Seen, settings: Settings) -> Tensor:
        """A term's weighted rows, summed over this micro-batch and all teachers, over the batch's rows."""
        clock, totals = settings.clock, settings.totals
        place = Place(-1, self.student.layers)
        if term.site == "hard":
            rows = seen.student[HARD]
            return scaled(mean_share(rows, seen.student, totals), value_of(term.weight, clock, place))
        shares = []
        ensemble = self.objective.ensemble
        for number, teacher in enumerate(seen.teachers):
            if number < ensemble.encoders:
                continue
            rows = self.comparisons.rows(name, term, seen.student, teacher, settings, number)
            if term.weighted and settings.weights is not None:
                rows = rows * by_row(settings.weights[number], rows, seen.student)
                shares.append(mean_share(rows, seen.student, totals))
            else:
                weight = ensemble.others(len(self.teachers) - ensemble.encoders)
                shares.append(scaled(mean_share(rows, seen.student, totals), weight))
        return shares[0] if len(shares) == 1 else torch.stack(shares).sum()
