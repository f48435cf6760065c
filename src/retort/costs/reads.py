"""What an objective reads of its models over a whole run, known without running or importing torch.

The rules are those of :class:`retort.distill.binding.BoundObjective`; a test holds the two together.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from retort.distill.edits import ReplaceBlocks
from retort.distill.layermaps import Pair
from retort.distill.objective import Objective, Term
from retort.distill.schedules import Clock, Place, value_of
from retort.models.features import CLASS, HARD, WORDS, Shape, Site

STORED = frozenset({WORDS, CLASS, HARD})
"""What the stored signals of a fine-tuned teacher answer (``retort.training.glm_signals.CACHED``)."""

MOMENTS = 24
"""Moments of a run at which an objective is looked at; schedules and random layers are averaged."""


def student_sites(
    objective: Objective, clock: Clock, student: Shape, teachers: tuple[Shape, ...], edited: bool = False
) -> frozenset[Site]:
    """What the student must record in the untouched (or the edited) pass."""
    found = set() if edited else set(objective.ensemble.student_sites(student.layers))
    for teacher in teachers or (student,):
        found |= _sites(objective, clock, student, teachers, teacher, edited, of_teacher=False)
    return frozenset(found)


def teacher_sites(
    objective: Objective,
    clock: Clock,
    student: Shape,
    teachers: tuple[Shape, ...],
    number: int,
    edited: bool = False,
) -> frozenset[Site]:
    """What a teacher must record; empty if it need not run."""
    ensemble, shape = objective.ensemble, teachers[number]
    found = set() if edited else set(ensemble.teacher_sites(number, shape.layers))
    if number >= ensemble.encoders:
        found |= _sites(objective, clock, student, teachers, shape, edited, of_teacher=True)
    return frozenset(found)


def cacheable(objective: Objective, teachers: tuple[Shape, ...], number: int) -> bool:
    """Whether a fine-tuned teacher never need run, because its stored signals hold all that is read."""
    sites = {Site(term.site) for term in objective.terms if term.by is not None}
    sites |= objective.ensemble.teacher_sites(number, teachers[number].layers)
    return objective.edit is None and sites <= STORED


@dataclass(frozen=True)
class Reads:
    """Means over a run, by update.

    Attributes:
        student_passes: passes of the student, each with its backward pass.
        teacher_passes: forward passes of each teacher, were nothing stored.
        depth: blocks of the student that the gradient goes through.
        visible, teacher_visible: blocks whose attention is written out.
        gold, teacher_gold: passes that need class scores or the loss against gold labels.
        terms: share of the updates in which each term weighs anything.
        kept: share of the student's own blocks in its pass (others are the teacher's).
    """

    student_passes: float
    teacher_passes: tuple[float, ...]
    depth: float
    visible: float
    teacher_visible: tuple[float, ...]
    gold: float
    teacher_gold: tuple[float, ...]
    terms: tuple[float, ...]
    kept: float


@functools.cache
def reads(objective: Objective, student: Shape, teachers: tuple[Shape, ...]) -> Reads:
    """What is read, averaged over evenly spaced moments of a run."""
    edit, total = objective.edit, 10 * MOMENTS
    clocks = [Clock(step, total, step // 10) for step in range(5, total, 10)]
    second = edit is not None and edit.second_pass
    passes = (False, True) if second else (False,)

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    seen = {
        (clock, edited): student_sites(objective, clock, student, teachers, edited)
        for clock in clocks
        for edited in passes
    }
    shown = [
        {
            (clock, edited): teacher_sites(objective, clock, student, teachers, number, edited)
            for clock in clocks
            for edited in passes
        }
        for number in range(len(teachers))
    ]
    return Reads(
        student_passes=float(len(passes)),
        teacher_passes=tuple(sum(map(bool, sites.values())) / len(clocks) for sites in shown),
        depth=mean([_depth(sites, student.layers) for sites in seen.values()]),
        visible=mean([_visible(sites) for sites in seen.values()]),
        teacher_visible=tuple(mean([_visible(sites) for sites in each.values()]) for each in shown),
        gold=_gold(seen.values()) / len(clocks),
        teacher_gold=tuple(_gold(sites.values()) / len(clocks) for sites in shown),
        terms=tuple(
            mean([float(not _silent(t, c, student, teachers)) for c in clocks]) for t in objective.terms
        ),
        kept=mean([objective.edit.keep(c) for c in clocks])
        if isinstance(objective.edit, ReplaceBlocks)
        else 1,
    )


def _sites(
    objective: Objective,
    clock: Clock,
    student: Shape,
    teachers: tuple[Shape, ...],
    teacher: Shape,
    edited: bool,
    of_teacher: bool,
) -> set[Site]:
    found: set[Site] = set()
    for term in objective.terms:
        if term.edited == edited and not _silent(term, clock, student, teachers):
            found |= _term_sites(term, clock, student, teacher, of_teacher)
    edit = objective.edit
    if edit is not None and edit.second_pass and not edited:
        sources = edit.sources(clock, student, teacher)
        found |= {Site(edit.site, layer) for layer in (sources.teacher if of_teacher else sources.student)}
    return found


def _term_sites(term: Term, clock: Clock, student: Shape, teacher: Shape, of_teacher: bool) -> set[Site]:
    if term.site == "hard":
        return set() if of_teacher else {HARD}
    if term.layers is None:
        return {Site(term.site)}
    found = pairs(term, clock, student, teacher)
    return {Site(term.site, layer) for p in found for layer in (p.teacher if of_teacher else p.student)}


def pairs(term: Term, clock: Clock, student: Shape, teacher: Shape) -> list[Pair]:
    """The layer pairs of a term at a moment, none without layers."""
    if term.layers is None:
        return []
    return term.layers.pairs(clock, student.depth(term.site), teacher.depth(term.site))


def _silent(term: Term, clock: Clock, student: Shape, teachers: tuple[Shape, ...]) -> bool:
    """Whether a term weighs nothing at a moment, on any of its layers."""
    layers = student.depth(term.site)
    if term.layers is None:
        return value_of(term.weight, clock, Place(-1, layers)) == 0
    places = {pair.student[0] for teacher in teachers for pair in pairs(term, clock, student, teacher)}
    return all(value_of(term.weight, clock, Place(i, layers)) == 0 for i in places)


def _gold(passes: Iterable[frozenset[Site]]) -> int:
    return sum(bool({CLASS, HARD} & sites) for sites in passes)


def _depth(sites: frozenset[Site], layers: int) -> float:
    """Blocks below the highest site; a block that is read inside counts about a third."""
    inside = 1 / 3
    heights = [
        layers if site.layer < 0 else site.layer if site.name == "hidden" else site.layer - 1 + inside
        for site in sites
    ]
    return float(max(heights, default=0))


def _visible(sites: frozenset[Site]) -> float:
    return float(len({site.layer for site in sites if site.name in ("scores", "probs")}))
