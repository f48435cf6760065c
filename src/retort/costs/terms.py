"""Work of an objective's terms: word logits, lenses and distances of one micro-batch.

Products over the vocabulary are exact. Lenses and relations are counted by their largest products; they
are a few percent of a step at most sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retort.costs.flops import word_logits
from retort.costs.reads import pairs
from retort.costs.work import Work, total
from retort.distill.alignment import CKA
from retort.distill.distances import BatchDistance, GatheringDistance
from retort.distill.granularities import RowStructure, TokenStructure
from retort.distill.lenses import Attend, Concat, FirstToken, Gram, MeanTokens, Project
from retort.distill.objective import Mask, Term
from retort.distill.positions import Positions, TokenGroup
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.distill.schedules import Clock
from retort.models.features import Shape

_LAUNCHES = 12.0
"""Operations of a comparison of two tensors."""

_LEARNED = 3.0
"""Forward and backward by forward."""

_WRITTEN = 4.0
"""Numbers that a comparison writes for each that it compares, gradients included."""

_ANGLES, _STRUCTURE = 14.0, 9.0
"""The same for angles between neighbours and for token structures, whose gathers and sorts are slow; set by
the time that these methods take at the pocket scale."""


@dataclass(frozen=True)
class Rows:
    """A micro-batch: rows of a padded length, with its real and its predicted tokens."""

    rows: float
    length: float
    valid: float
    predicted: float

    @property
    def padded(self) -> float:
        """Positions, padding included."""
        return self.rows * self.length

    def positions(self, mask: Mask) -> float:
        """Positions that a mask lets count; hard and easy words by their share."""
        if isinstance(mask, TokenGroup):
            return self.predicted * (mask.share if mask.group == "hard" else 1 - mask.share)
        if isinstance(mask, Positions):
            return self.padded - self.predicted if mask.of == "ignored" else self.predicted
        return {"none": self.padded, "valid": self.valid, "predicted": self.predicted}[mask]


@dataclass(frozen=True)
class Widths:
    """Widths of the states that are multiplied by the word tables."""

    student: int
    teachers: tuple[int, ...]


def word_term(term: Term, batch: Rows, student: Shape, widths: Widths) -> tuple[Work, Work]:
    """Word logits of the student and of all teachers, over the words that the student has.

    A gated term needs the logits once more in the backward pass. Words are ranked by the teachers' logits, of
    hard and easy ones together: each group's share of that is counted with it.
    """
    positions = batch.positions(term.mask)
    times = 1 if term.above is None else 2
    ours = word_logits(positions, student.vocab, widths.student, trained=True)
    theirs = [word_logits(positions, student.vocab, width, trained=False) for width in widths.teachers]
    ranked = 1 if isinstance(term.mask, Positions) and term.mask.ranks else 0
    return times * len(theirs) * ours, (times + ranked) * total(theirs)


def layer_term(term: Term, batch: Rows, student: Shape, teacher: Shape) -> Work:
    """Lenses and distance of all layer pairs of a term with one teacher."""
    found = [_pair(term, batch, student, teacher, pair) for pair in pairs(term, _START, student, teacher)]
    return total(found)


_START = Clock(0, 1)


def _pair(term: Term, batch: Rows, student: Shape, teacher: Shape, pair: Any) -> Work:
    ours, theirs = len(pair.student), len(pair.teacher)
    if term.site in ("scores", "probs"):
        compared = batch.padded * batch.length * student.heads
        return Work(0.0, _WRITTEN * compared, _LEARNED * _LAUNCHES)
    here, there = float(student.width), float(teacher.width)
    positions, flops = batch.padded, 0.0
    for step in term.via:
        if isinstance(step, FirstToken | MeanTokens):
            positions = batch.rows
        elif isinstance(step, Concat):
            here, there, ours, theirs = here * ours, there * theirs, 1, 1
        elif isinstance(step, Gram):
            flops += 2 * positions * batch.length * (_LEARNED * ours * here + theirs * there)
            here = there = batch.length * _groups(step, student, teacher)
        elif isinstance(step, Project):
            more, here, there = _projected(step, positions, (ours, here), (theirs, there))
            flops += more
        elif isinstance(step, Attend):
            theirs = 1
    if isinstance(term.by, BatchDistance):
        flops_of, elements = _relations(term.by, batch, max(ours, 1), here, there)
        return Work(flops + flops_of, elements, _LEARNED * 3 * _LAUNCHES)
    compared = positions * (ours * here + theirs * there)
    return Work(flops, _WRITTEN * compared, _LEARNED * _LAUNCHES + 2 * len(term.via))


def _groups(step: Gram, student: Shape, teacher: Shape) -> int:
    return teacher.heads if step.size is None else max(1, teacher.width // step.size)


def _projected(
    step: Project, positions: float, student: tuple[int, float], teacher: tuple[int, float]
) -> tuple[float, float, float]:
    """Operations of a projection, and the widths after it."""
    (ours, here), (theirs, there) = student, teacher
    wanted = step.to if isinstance(step.to, int) else (there if step.to == "teacher" else here)
    target, flops = float(wanted), 0.0
    if step.side != "teacher":
        flops += _LEARNED * 2 * positions * ours * here * target
        here = target
    if step.side != "student":
        flops += 2 * 2 * positions * theirs * there * target  # trained, but the teacher's states are not
        there = target
    return flops, here, there


def _relations(by: BatchDistance, batch: Rows, layers: int, here: float, there: float) -> tuple[float, float]:
    """Operations and written numbers of distances between the relations inside a batch."""
    both = _LEARNED * here + there
    if isinstance(by, CKA):  # three products of width by width over all tokens
        passes = 2 if isinstance(by, GatheringDistance) else 1
        products = here * there * _LEARNED + here * here * _LEARNED + there * there
        return 2 * passes * batch.valid * products, _WRITTEN * batch.valid * (here + there)
    if isinstance(by, RelationKL):
        others = batch.length if by.of == "tokens" else layers
        compared = batch.padded * layers * others
        return 2 * compared * both, 2 * _WRITTEN * compared
    if isinstance(by, RelationAngle):
        corners = by.window if by.of == "tokens" else layers
        around = batch.padded * layers * corners
        return 2 * around * corners * both, _ANGLES * around * (here + there + corners)
    if isinstance(by, ContrastiveCosine):
        return 2 * batch.rows * batch.padded * layers * both, _WRITTEN * batch.padded * layers * (
            here + there
        )
    if isinstance(by, TokenStructure):
        length = batch.length * (by.spans or 1.0)
        compared = batch.rows * length * length
        near = batch.rows * min(by.centres, length) * min(by.neighbours, length)
        flops = 2 * compared * both + 2 * near * min(by.neighbours, length) * both
        return flops, _STRUCTURE * (compared * by.heads + near * (here + there))
    if isinstance(by, RowStructure):
        return 2 * batch.rows**3 * both, _WRITTEN * batch.rows**2 * (here + there)
    return 0.0, _WRITTEN * batch.padded * (here + there)
