"""What an objective reads of given models: sites, layer pairs, terms that are silent."""

from __future__ import annotations

from collections.abc import Sequence

from retort.distill.layermaps import DRAWN, LayerMap, Pair
from retort.distill.objective import Objective, Term
from retort.distill.schedules import Clock, Place, value_of
from retort.models.features import HARD, Shape, Site


class Reading:
    """What is read at each moment of a run.

    Args:
        objective: resolved for its phase.
        student: shape of the student; ``teachers``: shapes of the teachers, none without any.
    """

    def __init__(self, objective: Objective, student: Shape, teachers: Sequence[Shape] = ()) -> None:
        self.objective = objective
        self.student = student
        self.teachers = tuple(teachers)
        self._fixed_pairs: dict[tuple[LayerMap, int, int], list[Pair]] = {}

    def student_sites(self, clock: Clock, edited: bool = False) -> frozenset[Site]:
        """What the student must record in the untouched (or the edited) pass."""
        sites = set() if edited else set(self.objective.ensemble.student_sites(self.student.layers))
        for teacher in self.teachers or (self.student,):
            sites |= self._sites(clock, teacher, edited, of_teacher=False)
        return frozenset(sites)

    def teacher_sites(self, clock: Clock, number: int, edited: bool = False) -> frozenset[Site]:
        """What a teacher must record; empty if it need not run."""
        if not self.teachers:
            return frozenset()
        ensemble, shape = self.objective.ensemble, self.teachers[number]
        sites = set() if edited else set(ensemble.teacher_sites(number, shape.layers))
        if number >= ensemble.encoders:
            sites |= self._sites(clock, shape, edited, of_teacher=True)
        return frozenset(sites)

    def cacheable(self, number: int, stored: frozenset[Site]) -> bool:
        """Whether a teacher never need run, because ``stored`` sites are all that is ever read of it."""
        edit = self.objective.edit
        sites = {Site(term.site) for term in self.objective.terms if term.by is not None}
        sites |= self.objective.ensemble.teacher_sites(number, self.teachers[number].layers)
        return edit is None and sites <= stored

    def _sites(self, clock: Clock, teacher: Shape, edited: bool, of_teacher: bool) -> set[Site]:
        found: set[Site] = set()
        for term in self.objective.terms:
            if term.edited == edited and not self.silent(term, clock):
                found |= self._term_sites(term, clock, teacher, of_teacher)
        edit = self.objective.edit
        if edit is not None and edit.second_pass and not edited:
            sources = edit.sources(clock, self.student, teacher)
            layers = sources.teacher if of_teacher else sources.student
            found |= {Site(edit.site, layer) for layer in layers}
        return found

    def _term_sites(self, term: Term, clock: Clock, teacher: Shape, of_teacher: bool) -> set[Site]:
        if term.site == "hard":
            return set() if of_teacher else {HARD}
        if term.layers is None:
            return {Site(term.site)}
        pairs = self.pairs(term, clock, teacher)
        return {
            Site(term.site, layer)
            for pair in pairs
            for layer in (pair.teacher if of_teacher else pair.student)
        }

    def pairs(self, term: Term, clock: Clock, teacher: Shape) -> list[Pair]:
        """A map's pairs; those that hold for a whole run are found once."""
        layers, depths = term.layers, (self.student.depth(term.site), teacher.depth(term.site))
        assert layers is not None
        if isinstance(layers, DRAWN):
            return layers.pairs(clock, *depths)
        if (layers, *depths) not in self._fixed_pairs:
            self._fixed_pairs[layers, *depths] = layers.pairs(clock, *depths)
        return self._fixed_pairs[layers, *depths]

    def silent(self, term: Term, clock: Clock) -> bool:
        """Whether a term weighs nothing at this moment, on any of its layers (of which it may have none)."""
        layers = self.student.depth(term.site)
        if term.layers is None:
            return value_of(term.weight, clock, Place(-1, layers)) == 0
        places = {pair.student[0] for teacher in self.teachers for pair in self.pairs(term, clock, teacher)}
        return all(value_of(term.weight, clock, Place(i, layers)) == 0 for i in places)
