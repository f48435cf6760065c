"""How several teachers are combined: weights for each teacher and example.

An ensemble returns weights (teachers x examples) for the terms that are ``weighted``; other teacher terms
are averaged or summed by :attr:`Ensemble.others`. ``hard`` terms enter once, whatever the teachers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.distill.routing import hard_route, normalised_entropy, soft_route
from retort.distill.schedules import Clock
from retort.lazy import functional as F
from retort.lazy import torch
from retort.models.features import CLASS, HARD, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torch.nn import Module

    from retort.distill.selector import Selector
    from retort.models.features import Features, Shape


class Ensemble:
    """Combines teachers.

    An ensemble that learns gives a module from :meth:`build`, which the objective owns, trains with the
    student and hands back to :meth:`weights` and :meth:`extra_loss`.
    """

    by_example = True
    """Whether :meth:`weights` tells examples apart; if not, :meth:`others` holds for every term."""

    across_examples = False
    """Whether an example's weights depend on the others of its micro-batch."""

    @property
    def encoders(self) -> int:
        """How many of the first teachers only show the ensemble something: no term compares with them."""
        return 0

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
        """float [N, E]; rows of encoders are ignored."""
        raise NotImplementedError

    def extra_loss(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor | None:
        """A loss of the ensemble's own for this micro-batch, after :meth:`weights` was called."""
        return None

    def others(self, teachers: int) -> float:
        """Weight of each of so many teachers for terms that are not weighted by example."""
        return 1.0 / teachers


def examples_of(features: Features) -> int:
    """Number of examples in a micro-batch (its rows are numbered by example, in order)."""
    return int(features.example_of_row[-1]) + 1


def constant_weights(values: Sequence[float], features: Features) -> Tensor:
    """The same weight for all examples of a micro-batch, float64 [N, E] (cast to the losses' type later)."""
    weights = torch.tensor(values, dtype=torch.float64, device=features.valid.device)
    return weights[:, None].expand(-1, examples_of(features))


@dataclass(frozen=True)
class Mean(Ensemble):
    """Every teacher counts the same: 1/N (with a single teacher: 1)."""

    by_example = False

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """1/N everywhere."""
        return constant_weights([1.0 / len(teachers)] * len(teachers), student)


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
        return constant_weights([float(kept) for kept in self.survivors(len(teachers), clock)], student)

    def survivors(self, teachers: int, clock: Clock) -> list[bool]:
        """Which teachers take part in this step."""
        rng = clock.draw("survivors")
        return [rng.random() < self.survival for _ in range(teachers)]

    def others(self, teachers: int) -> float:
        """Feature terms of all teachers are summed, too."""
        return 1.0


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
class Policy(Ensemble):
    """RL-KD (Yuan et al., 2021) as GLMD's authors ran it.

    The first teacher only encodes the state: its last hidden state of the first token of each candidate,
    with the other teachers' own losses and class scores. Each other teacher is chosen with the probability
    that the policy gives; its loss counts 1/N if it is chosen. One step later, on the same state, the
    policy gets ``weight`` * sum(pi) * hard, with pi its present probability of the actions it took then and
    ``hard`` the student's present task loss (quirk ``policy-gradient``: pi, not log pi; no baseline).

    Attributes:
        weight: of the policy's loss.
        choices: candidates and classes that the state has room for; more are cut, fewer padded with 0.
    """

    across_examples = True

    weight: float
    choices: int = 10

    @property
    def encoders(self) -> int:
        """Teacher 0 is only an encoder."""
        return 1

    def student_sites(self, layers: int) -> frozenset[Site]:
        """The task loss, which is the reward."""
        return frozenset({HARD})

    def teacher_sites(self, number: int, layers: int) -> frozenset[Site]:
        """The encoder's output, the others' losses and scores."""
        return frozenset({Site("hidden", layers)}) if number == 0 else frozenset({HARD, CLASS})

    def build(self, student: Shape, teachers: Sequence[Shape]) -> Module:
        """The policy for so many teachers."""
        from retort.distill.selector import Selector

        return Selector(teachers[0].layers, teachers[0].width, len(teachers) - 1, self.choices)

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """a / N for the others, with an action a in {0, 1} for each teacher and example."""
        selector = _selector(module)
        probabilities = selector.look(teachers)
        uniforms = self.uniforms(clock, selector.turn, probabilities)
        actions = selector.choose(uniforms < probabilities)
        shares = self.shares(actions).T
        return torch.cat((torch.zeros_like(shares[:1]), shares))

    def shares(self, actions: Tensor) -> Tensor:
        """What each teacher's loss counts, for actions [E, N] of 0 and 1."""
        return actions / actions.shape[1]

    def uniforms(self, clock: Clock, turn: int, like: Tensor) -> Tensor:
        """Random numbers [E, N] that decide the actions; ``turn`` counts micro-batches."""
        rng = clock.draw(f"actions/{turn}")
        drawn = [[rng.random() for _ in range(like.shape[1])] for _ in range(like.shape[0])]
        return torch.tensor(drawn, dtype=torch.float64, device=like.device)

    def extra_loss(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor | None:
        """The loss of the previous actions under the present policy; none on the first step."""
        previous = _selector(module).previous()
        if previous is None:
            return None
        return self.weight * self.credit(*previous).sum() * student[HARD].detach().mean()

    def credit(self, scores: Tensor, actions: Tensor) -> Tensor:
        """Probability of the actions [E, N], of which choosing has these logits."""
        chosen = scores.sigmoid()
        return chosen * actions + (1 - chosen) * (1 - actions)


@dataclass(frozen=True)
class Reinforce(Policy):
    """RL-KD as published: the mean over the teachers that are chosen, and the gradient of REINFORCE.

    The policy's loss is ``weight`` * sum(log pi) * hard; where no teacher is chosen, the student learns
    from none (quirk ``policy-gradient``).
    """

    def shares(self, actions: Tensor) -> Tensor:
        """1 / (number of chosen teachers) for each of them, 0 where none is chosen."""
        return actions / actions.sum(1, keepdim=True).clamp_min(1)

    def credit(self, scores: Tensor, actions: Tensor) -> Tensor:
        """Log-probability of the actions, finite however sure the policy is."""
        return F.logsigmoid(torch.where(actions > 0, scores, -scores))


def _selector(module: Module | None) -> Selector:
    from retort.distill.selector import Selector

    assert isinstance(module, Selector)
    return module


@dataclass(frozen=True)
class RouteByEntropy(Ensemble):
    """Each example goes to one teacher: the less sure the student, the smaller the teacher.

    Dynamic KD (Li et al., 2021), hard selection. Teachers are ordered from small to large; examples are cut
    into N bins of about equal size by the entropy of the student's class distribution. The routed loss is
    divided by N once more, as GLMD's authors ran it (quirk ``uncertainty-mean``).
    """

    across_examples = True

    def student_sites(self, layers: int) -> frozenset[Site]:
        """The student's class scores."""
        return frozenset({CLASS})

    def weights(
        self, student: Features, teachers: Sequence[Features], clock: Clock, module: Module | None
    ) -> Tensor:
        """1/N at the teacher of each example's bin, 0 elsewhere; with fewer examples than teachers a mix.

        As the authors ran it, the mix is not detached: the student is also trained to change it.
        """
        uncertainty, count = normalised_entropy(student[CLASS]), len(teachers)
        if len(uncertainty) < count:
            return soft_route(uncertainty, count)
        return self.shares(hard_route(uncertainty, count))

    def shares(self, routed: Tensor) -> Tensor:
        """What counts of the routes [N, E] of 0 and 1."""
        return routed / len(routed)


@dataclass(frozen=True)
class RouteToMeans(RouteByEntropy):
    """The same routes, each teacher's loss averaged over its own examples and added.

    Dynamic KD (Li et al., 2021) as published (quirk ``uncertainty-mean``).
    """

    def shares(self, routed: Tensor) -> Tensor:
        """E / (number of the teacher's examples), which the mean over all E examples divides by E."""
        return routed * (routed.shape[1] / routed.sum(1, keepdim=True))
