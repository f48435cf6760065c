"""A method's stages as its recipe tells them: in order, with start, teachers, needs and who shares them.

What the plan decides for given models, data and seeds, as far as the value alone says it. The methods'
page and the tables of methods are written from this.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retort.distill.distances import Distance, SumOfSquares
from retort.distill.edits import ReplaceBlocks
from retort.distill.ensembles import Ensemble
from retort.distill.layermaps import Pair
from retort.distill.lenses import Attend, ChainStep, Gram, Widths
from retort.distill.objective import Objective, Term
from retort.distill.relations import ContrastiveCosine
from retort.distill.schedules import Clock
from retort.recipes import Method, Step

Start = Literal["random", "truncated", "before"]
Teachers = Literal["none", "one", "several", "next", "larger"]

STUDENT_LAYERS, TEACHER_LAYERS = 6, 12
"""Depths on which layer maps are tried out: those of the paper's students and of its base model."""

_OWN_DIMENSIONS = (ContrastiveCosine, SumOfSquares)
"""Distances within a batch that need the same dimensions of both models, as all by position do."""


@dataclass(frozen=True)
class Part:
    """One stage of a method.

    Attributes:
        title: ``Stage 1``, or the links of a chain that are trained so.
        step: what is trained.
        start: random parameters, the teacher's first layers, or the stage before.
        before: title of the stage before, if it starts from it.
        teachers: who teaches; ``next``: the next larger model of the pair, ``larger``: all of them.
        only: for which widths it is taken; empty: for all.
        key: equal for the same stage of another method.
    """

    title: str
    step: Step
    start: Start
    before: str
    teachers: Teachers
    only: str
    key: Hashable

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.step.objective


_AS_WIDE_AS_THE_MODEL = frozenset({"hidden", "encoder", "q", "k", "v"})


def outline(method: Method) -> tuple[Part, ...]:
    """The stages of a method, in order; where widths decide, first those for equal ones."""
    if method.chain is not None:
        return tuple(_links(method))
    ways = [("equal widths", method.steps), ("unequal widths", method.unequal)]
    if not method.unequal:
        ways = [("", method.steps)]
    found: dict[tuple[int, Step], Part] = {}
    for only, steps in ways:
        for index, step in enumerate(steps):
            if (index, step) in found:
                found[index, step] = _part(method, steps, index, "")
            else:
                found[index, step] = _part(method, steps, index, only)
    return tuple(found[place] for place in sorted(found, key=lambda place: place[0]))


def _part(method: Method, steps: tuple[Step, ...], index: int, only: str) -> Part:
    step = steps[index]
    start: Start = "before" if index else "truncated" if method.start == "truncate" else "random"
    needed = step.objective.needs_teacher
    teachers: Teachers = ("several" if method.several else "one") if needed else "none"
    cut = (method.several, method.cut) if method.start == "truncate" else None
    key = (
        method.family,
        method.start,
        cut,
        method.compression,
        method.embedding,
        teachers,
        steps[: index + 1],
    )
    return Part(f"Stage {index + 1}", step, start, f"stage {index}" if index else "", teachers, only, key)


def _links(method: Method) -> Iterator[Part]:
    """The links of a chain; neighbours that are trained alike are one part."""
    assert method.chain is not None
    links, first = method.chain.links, method.steps
    for number in range(len(first)):
        yield replace(_part(method, first, number, ""), title=f"Stage {number + 1}, before each link")
    index = 0
    while index < len(links):
        end = index + 1
        while end < len(links) and links[end] == links[index] and not (method.chain.dense and index == 0):
            end += 1
        title = f"Link {end}" if end == index + 1 else f"Links {index + 1} to {end}"
        start: Start = "before" if first else "truncated" if method.start == "truncate" else "random"
        before = "the model's own stage before" if first else ""
        teachers: Teachers = "larger" if method.chain.dense and index else "next"
        if not links[index].objective.needs_teacher:
            teachers = "none"
        key = (
            "chain",
            method.family,
            method.start,
            method.cut,
            method.compression,
            method.embedding,
            teachers,
            first,
            links[: index + 1],
        )
        yield Part(title, links[index], start, before, teachers, "", key)
        index = end


def shared_with(part: Part, method: Method, methods: Sequence[Method]) -> tuple[str, ...]:
    """Names of the other methods that have the same stage."""
    return tuple(
        other.name
        for other in methods
        if other.name != method.name and any(one.key == part.key for one in outline(other))
    )


def several_teachers(part: Part) -> bool:
    """Whether more than one teacher may have to be told apart in a formula."""
    return part.teachers in ("several", "larger")


def needs(objective: Objective) -> tuple[str, ...]:
    """What student and teacher must have in common: ``equal widths``, ``equal heads``."""
    found = []
    if isinstance(objective.edit, ReplaceBlocks) or any(map(_needs_width, objective.terms)):
        found.append("equal widths")
    if any(map(_needs_heads, objective.terms)):
        found.append("equal heads")
    return tuple(found)


def learns(objective: Objective) -> tuple[ChainStep | Ensemble, ...]:
    """The lenses and the ensemble that own trained parameters."""
    lenses = [step for term in objective.terms for step in term.via if trained(step)]
    ensemble = objective.ensemble
    return (*lenses, *([ensemble] if type(ensemble).build is not Ensemble.build else []))


def trained(step: ChainStep) -> bool:
    """Whether a lens or fuse owns parameters."""
    return type(step).build is not ChainStep.build


def layers_of(term: Term) -> tuple[Pair, ...]:
    """The pairs of a term for a student of 6 layers and a teacher of 12; none for sites without layers."""
    if term.layers is None:
        return ()
    return tuple(term.layers.pairs(Clock(0, 1), STUDENT_LAYERS, TEACHER_LAYERS))


def _needs_width(term: Term) -> bool:
    """Whether a chain ends with, or attends over, tensors whose last dimensions differ as the widths do."""
    if term.site not in _AS_WIDE_AS_THE_MODEL:
        return False
    first = (layers_of(term) or (Pair((0,), (0,)),))[0]
    widths = Widths((1,) * len(first.student), (2,) * len(first.teacher))
    for step in term.via:
        if isinstance(step, Gram):
            return False
        if isinstance(step, Attend) and widths.student[0] != widths.teacher[0]:
            return True
        widths = step.widths(widths)
    return isinstance(term.by, (Distance, *_OWN_DIMENSIONS)) and widths.student[0] != widths.teacher[0]


def _needs_heads(term: Term) -> bool:
    own_heads = any(isinstance(step, Gram) and step.size is None for step in term.via)
    return term.site in ("scores", "probs") or own_heads
