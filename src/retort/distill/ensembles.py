"""How several teachers are combined: weights for each teacher and example.

An ensemble returns weights (teachers x examples) for the terms that are ``weighted``; other teacher terms
are averaged or summed by :attr:`Ensemble.others`. ``hard`` terms enter once, whatever the teachers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.schedules import Clock
from retort.lazy import functional as F
from retort.lazy import torch
from retort.models.features import CLASS, HARD, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torch.nn import Module

    from retort.models.features import Features, Shape


class Ensemble:
    """Combines teachers.

    An ensemble that learns gives a module from :meth:`build`, which the objective owns, trains with the
    student and hands back to :meth:`weights` and :meth:`extra_loss`.
    """

    def student_sites(self, layers: int) -> frozenset[Site]:
        """What :meth:`weights` reads of the student besides what the terms read."""
        return frozenset()

    def teacher_sites(self, number: int, layers: int) -> frozenset[Site]:
        """What it reads of the ``number``-th teacher of so many layers."""
        return frozenset()

    def build(self, student: Shape, teachers: Sequence[Shape]) -> Module | None:
        """The trainable part, if there is one."""
        return None

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """float [N, E], constant for the student's gradient."""
        raise NotImplementedError

    def extra_loss(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor | None:
        """A loss of the ensemble's own for this step, after :meth:`weights` was called."""
        return None

    def others(self, teachers: int) -> float:
        """Weight of each teacher for terms that are not weighted by example."""
        return 1.0 / teachers


def examples_of(features: Features) -> int:
    """Number of examples in a micro-batch (its rows are numbered by example, in order)."""
    return int(features.example_of_row[-1]) + 1


@dataclass(frozen=True)
class Mean(Ensemble):
    """Every teacher counts the same: 1/N (with a single teacher: 1)."""

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """1/N everywhere."""
        return torch.full((len(teachers), examples_of(student)), 1.0 / len(teachers), device=student.valid.device)


@dataclass(frozen=True)
class SumOfSurvivors(Ensemble):
    """The sum over teachers, each left out of a step at random (DGKD, Son et al., 2021).

    Attributes:
        survival: probability that a teacher takes part in a step; nothing is rescaled.
    """

    survival: float

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """1 for the survivors, 0 for the others."""
        rng = clock.draw("survivors")
        kept = [float(rng.random() < self.survival) for _ in teachers]
        return torch.tensor(kept, device=student.valid.device)[:, None].expand(-1, examples_of(student))


@dataclass(frozen=True)
class InverseTeacherLoss(Ensemble):
    """1 / (1 + the teacher's own loss on the example) (MT-BERT, Wu et al., 2021, eq. 2)."""

    def teacher_sites(self, number: int, layers: int) -> frozenset[Site]:
        """The teachers' own losses."""
        return frozenset({HARD})

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """Summed, not averaged, over teachers."""
        return torch.stack([1 / (1 + teacher[HARD].detach()) for teacher in teachers])

    def others(self, teachers: int) -> float:
        """Feature terms of all teachers are summed, too."""
        return 1.0


@dataclass(frozen=True)
class RouteByEntropy(Ensemble):
    """Each example goes to one teacher: the less sure the student, the smaller the teacher.

    Dynamic KD (Li et al., 2021), hard selection. Teachers are ordered from small to large; examples are cut
    into N bins of about equal size by the entropy of the student's class distribution. The routed loss is
    divided by N once more, as GLMD's authors ran it (quirk ``uncertainty-mean``).
    """

    def student_sites(self, layers: int) -> frozenset[Site]:
        """The student's class scores."""
        return frozenset({CLASS})

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """1/N at the teacher of each example's bin, 0 elsewhere; with fewer examples than teachers a mix."""
        entropy = normalised_entropy(student[CLASS].detach())
        count, examples = len(teachers), examples_of(student)
        if examples < count:
            return soft_route(entropy, count) / count
        order = torch.empty(examples, dtype=torch.long, device=entropy.device)
        order[entropy.argsort()] = torch.arange(examples, device=entropy.device)
        chosen = torch.ceil((order + 1) * count / examples).long() - 1
        return F.one_hot(count - 1 - chosen, count).T.to(entropy.dtype) / count


def normalised_entropy(scores: Tensor) -> Tensor:
    """Entropy of softmax(scores [E, C]) as a share of its largest value, [E]."""
    log_p = F.log_softmax(scores, -1)
    return -(log_p.exp() * log_p).sum(-1) / torch.log(torch.tensor(float(scores.shape[-1])))


def soft_route(entropy: Tensor, teachers: int) -> Tensor:
    """[N, E] weights that shift from the largest teacher (sure) to the smallest (unsure), summing to 1."""
    place = (1 - entropy) * (teachers - 1)
    steps = torch.arange(teachers, device=entropy.device)[:, None]
    return (1 - (place - steps).abs()).clamp_min(0)
