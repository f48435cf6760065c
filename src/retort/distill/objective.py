"""A method as a value: a sum of weighted terms, each a distance between lensed sites.

    L = sum over terms of weight(clock) * mean over rows of distance(lens(student), lens(teacher))

Every term gives one number per row before it is averaged, so weighting examples, gating them
and splitting a batch need no second code path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from retort.distill.distances import Distance
from retort.distill.layermaps import LayerMap
from retort.distill.lenses import Lens
from retort.distill.schedules import Weight

Mask = Literal["none", "valid", "predicted"]
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
        via: lenses, applied in order.
        weight: number or schedule.
        mask: which positions count.
        norm: what a masked mean divides by: ``all`` positions, as the authors' code does (masked
            ones contribute their constant), or the ``valid`` ones, as textbooks do.
    """

    site: str
    by: Distance | None = None
    layers: LayerMap | None = None
    via: tuple[Lens, ...] = ()
    weight: Weight = 1.0
    mask: Mask = "none"
    norm: Norm = "all"


@dataclass(frozen=True)
class Objective:
    """A sum of terms."""

    terms: tuple[Term, ...]

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms)

    def __rmul__(self, factor: float) -> Objective:
        if any(callable(term.weight) for term in self.terms):
            raise TypeError("a scheduled term cannot be scaled: put the factor into its schedule")
        return Objective(tuple(replace(term, weight=factor * term.weight) for term in self.terms))  # type: ignore[operator]

    def in_phase(self, phase: Phase) -> Objective:
        """Resolve ``soft`` terms for a phase."""
        return Objective(tuple(_resolve(term, phase) for term in self.terms))

    @property
    def needs_teacher(self) -> bool:
        """Whether any term compares with a teacher."""
        return any(term.by is not None for term in self.terms)


def match(
    site: str,
    layers: LayerMap,
    by: Distance,
    via: tuple[Lens, ...] = (),
    weight: Weight = 1.0,
    mask: Mask = "none",
) -> Objective:
    """Compare a layered site of student and teacher."""
    return Objective((Term(site, by, layers, via, weight, mask),))


def words(by: Distance, mask: Mask = "valid", weight: Weight = 1.0) -> Objective:
    """Compare language-model logits, in whatever phase (GLMD's word-prediction term)."""
    return Objective((Term("words", by, weight=weight, mask=mask),))


def soft(by: Distance, weight: Weight = 1.0) -> Objective:
    """Compare what the phase predicts: classes on tasks, masked words in pretraining."""
    return Objective((Term("soft", by, weight=weight),))


def hard(weight: Weight = 1.0) -> Objective:
    """Cross-entropy against gold labels."""
    return Objective((Term("hard", weight=weight),))


def _resolve(term: Term, phase: Phase) -> Term:
    if term.site != "soft":
        return term
    return replace(term, site="class") if phase == "task" else replace(term, site="words", mask="predicted")
