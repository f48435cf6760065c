"""A method as a value: a sum of weighted terms, each a distance between lensed sites.

    L = sum over terms of weight(clock) * mean over rows of distance(lens(student), lens(teacher))

Every term gives one number per row before it is averaged, so weighting examples, gating them
and splitting a batch need no second code path.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retort.distill.distances import BatchDistance, Distance, GatheringDistance, TargetDistance
from retort.distill.edits import Edit
from retort.distill.ensembles import Ensemble, Mean
from retort.distill.layermaps import LayerMap
from retort.distill.lenses import ChainStep
from retort.distill.positions import Positions
from retort.distill.schedules import Schedule, Weight

Mask = Literal["none", "valid", "predicted", "shifted"] | Positions
Norm = Literal["all", "valid"]
Phase = Literal["pretraining", "task"]


@dataclass(frozen=True)
class Term:
    """One weighted comparison.

    Attributes:
        site: name of the site; ``soft`` stands for ``class`` on tasks and for ``words`` at
            predicted positions in pretraining.
        by: the distance (``None`` for ``hard``, which compares with gold labels).
        layers: layer pairs, for sites that have layers; a term sums over its pairs.
        via: lenses and fuses, applied in order.
        weight: number or schedule.
        mask: which positions count; ``shifted``: the valid ones moved one to the right, which is where a
            decoder reads a word. Word terms may have a value that says more
            (:class:`retort.distill.positions.Positions`).
        norm: what a masked mean divides by: ``all`` positions, as the authors' code does (masked
            ones contribute their constant), or the ``valid`` ones, as textbooks do and masks by value.
        above: rows whose value is not above this count as 0 (Continuation-KD's gate).
        weighted: whether an ensemble's weights by example apply to it.
        edited: read in the second pass, in which the objective's edit is at work.
    """

    site: str
    by: Distance | TargetDistance | BatchDistance | None = None
    layers: LayerMap | None = None
    via: tuple[ChainStep, ...] = ()
    weight: Weight = 1.0
    mask: Mask = "none"
    norm: Norm = "all"
    above: Schedule | None = None
    weighted: bool = True
    edited: bool = False


@dataclass(frozen=True)
class Objective:
    """A sum of terms.

    Attributes:
        terms: what is summed.
        ensemble: how several teachers are combined.
        edit: a change to the forward pass. With ``edited`` terms it is made in a second pass that
            those terms read; without, in the only one.
    """

    terms: tuple[Term, ...]
    ensemble: Ensemble = Mean()
    edit: Edit | None = None

    def __add__(self, other: Objective) -> Objective:
        if (other.ensemble, other.edit) not in (_PLAIN, (self.ensemble, self.edit)):
            raise TypeError(
                "a sum takes ensemble and edit from its first objective: set them on the whole sum"
            )
        return replace(self, terms=self.terms + other.terms)

    def __rmul__(self, factor: float | Schedule) -> Objective:
        return self.each(lambda term: replace(term, weight=_product(factor, term.weight)))

    def each(self, change: Callable[[Term], Term]) -> Objective:
        """The objective with every term changed."""
        return replace(self, terms=tuple(change(term) for term in self.terms))

    def in_phase(self, phase: Phase) -> Objective:
        """Resolve ``soft`` terms for a phase."""
        return self.each(lambda term: _resolve(term, phase))

    @property
    def needs_teacher(self) -> bool:
        """Whether any term compares with a teacher, or the edit takes something from it."""
        return any(term.by is not None for term in self.terms) or (
            self.edit is not None and self.edit.needs_teacher
        )

    @property
    def together(self) -> bool:
        """Whether rows of a micro-batch are looked at together, so that splitting it changes the loss."""
        return (
            any(isinstance(term.by, BatchDistance) for term in self.terms)
            or any(mask.scope == "micro_batch" for mask in self.choices)
            or self.ensemble.across_examples
            or (self.edit is not None and self.edit.across_rows)
        )

    @property
    def choices(self) -> tuple[Positions, ...]:
        """The masks of its terms that are values."""
        return tuple(term.mask for term in self.terms if isinstance(term.mask, Positions))

    @property
    def needs_targets(self) -> bool:
        """Whether it looks at the words that stand in the text, besides the loss of labels."""
        by_target = any(isinstance(term.by, TargetDistance) for term in self.terms)
        return by_target or any(mask.ranks for mask in self.choices)

    @property
    def gathers(self) -> bool:
        """Whether a micro-batch has to know something of all the others of its batch."""
        sums = any(isinstance(term.by, GatheringDistance) for term in self.terms)
        return sums or any(mask.scope == "batch" for mask in self.choices)


_PLAIN: tuple[Ensemble, Edit | None] = (Mean(), None)
"""Ensemble and edit of an objective that names none."""


def match(
    site: str,
    layers: LayerMap,
    by: Distance | BatchDistance,
    via: tuple[ChainStep, ...] = (),
    weight: Weight = 1.0,
    mask: Mask = "none",
) -> Objective:
    """Compare a layered site of student and teacher."""
    return Objective((Term(site, by, layers, via, weight, mask),))


def words(
    by: Distance | TargetDistance, mask: Mask = "valid", weight: Weight = 1.0, norm: Norm = "all"
) -> Objective:
    """Compare language-model logits, in whatever phase (GLMD's word-prediction term)."""
    return Objective((Term("words", by, weight=weight, mask=mask, norm=norm),))


def soft(by: Distance, via: tuple[ChainStep, ...] = (), above: Schedule | None = None) -> Objective:
    """Compare what the phase predicts: classes on tasks, masked words in pretraining."""
    return Objective((Term("soft", by, via=via, above=above),))


def hard() -> Objective:
    """Cross-entropy against gold labels."""
    return Objective((Term("hard", weighted=False),))


def total(objectives: Sequence[Objective]) -> Objective:
    """The sum of objectives."""
    return functools.reduce(operator.add, objectives)


def unweighted(objective: Objective) -> Objective:
    """The same objective out of reach of an ensemble's weights by example."""
    return objective.each(lambda term: replace(term, weighted=False))


def in_edited_pass(objective: Objective) -> Objective:
    """The same objective, read in the second, edited pass."""
    return objective.each(lambda term: replace(term, edited=True))


def _product(factor: float | Schedule, weight: Weight) -> Weight:
    if isinstance(factor, Schedule):
        if isinstance(weight, Schedule):
            raise TypeError("two schedules cannot be multiplied: write one that is their product")
        return factor if weight == 1.0 else weight * factor
    return factor * weight


def _resolve(term: Term, phase: Phase) -> Term:
    if term.site != "soft":
        return term
    return replace(term, site="class") if phase == "task" else replace(term, site="words", mask="predicted")
