"""What is done to features before they are compared: lenses (one tensor each) and fuses (many to one).

Both are steps of a chain. A step works on the lists of layers of a pair, the student's and the
teacher's; if it learns, its parameters live in the objective, never in the student.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from retort.distill.distances import full_precision, wide
from retort.distill.layermaps import Pair
from retort.distill.schedules import Clock, Schedule
from retort.lazy import functional as F
from retort.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Side = Literal["student", "teacher", "both"]


@dataclass(frozen=True)
class Widths:
    """Last dimensions of a pair's tensors at some point of a chain, one a layer."""

    student: tuple[int, ...]
    teacher: tuple[int, ...]


@dataclass(frozen=True)
class Moment:
    """What a step may know besides its tensors.

    Attributes:
        clock: the training clock.
        pair: the layers at hand.
        valid: bool [B, S], false on padding.
        heads: attention heads of ``student`` and ``teacher``.
        modules: the step's own parameters by name.
    """

    clock: Clock
    pair: Pair
    valid: Tensor
    heads: dict[str, int]
    modules: dict[str, Module] = field(default_factory=dict)


class ChainStep:
    """One step of a chain; most learn nothing and keep all widths."""

    shared: str = ""
    """Name under which all terms of an objective share its trainable parts; empty: each has its own."""

    def build(self, widths: Widths, pair: Pair) -> dict[str, Module]:
        """Trainable parts for a pair by name; equal names are shared between pairs."""
        return {}

    def widths(self, widths: Widths) -> Widths:
        """Widths after this step."""
        return widths

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Apply the step to a pair's tensors."""
        raise NotImplementedError


@dataclass(frozen=True)
class Lens(ChainStep):
    """A step that treats each tensor by itself, on one side or on both."""

    side: Side = "both"

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Look at each tensor of the lens's side."""
        if self.side != "teacher":
            ours = [self.look(x, "student", i, moment) for i, x in enumerate(ours)]
        if self.side != "student":
            theirs = [self.look(x, "teacher", i, moment) for i, x in enumerate(theirs)]
        return ours, theirs

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """The view of one tensor, the ``index``-th of its side."""
        raise NotImplementedError


@dataclass(frozen=True)
class Project(Lens):
    """A trained affine map of the last dimension.

    TinyBERT (Jiao et al., 2020, eq. 8-9) projects the student's features to the teacher's width with
    one map for all layers, even when the widths agree, as the authors ran it.

    Attributes:
        to: the width it ends with: that of the other side's layers, or the student's own, or a number.
        bias: whether it has a bias.
        per_layer: one map a layer instead of one for all.
        xavier: Xavier-uniform weights and zero bias instead of torch's default.
    """

    side: Side = "student"
    to: Literal["teacher", "student"] | int = "teacher"
    bias: bool = True
    per_layer: bool = False
    xavier: bool = False

    def build(self, widths: Widths, pair: Pair) -> dict[str, Module]:
        """Linear layers by side (and layer)."""
        made: dict[str, Module] = {}
        for side in ("student", "teacher"):
            if self.side in (side, "both"):
                sizes = getattr(widths, side)
                for index, width in enumerate(sizes):
                    name = self._name(side, index, pair)
                    if name not in made:
                        made[name] = self._linear(width, self._target(widths))
        return made

    def widths(self, widths: Widths) -> Widths:
        """The projected side gets the target width."""
        target = self._target(widths)
        changed = {
            side: (target,) * len(getattr(widths, side))
            for side in ("student", "teacher")
            if self.side in (side, "both")
        }
        return replace(widths, **changed)

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """[..., H] -> [..., H']."""
        return moment.modules[self._name(side, index, moment.pair)](x)

    def _target(self, widths: Widths) -> int:
        return self.to if isinstance(self.to, int) else getattr(widths, self.to)[0]

    def _name(self, side: str, index: int, pair: Pair) -> str:
        return f"{side}{getattr(pair, side)[index]}" if self.per_layer else side

    def _linear(self, width: int, target: int) -> Module:
        made = nn.Linear(width, target, bias=self.bias)
        if self.xavier:
            nn.init.xavier_uniform_(made.weight)
            if self.bias:
                nn.init.zeros_(made.bias)
        return made


@dataclass(frozen=True)
class SharedProject(Project):
    """One for all terms of an objective that name it, as in the baseline of Dasgupta and Cohn (2025)."""

    shared: str = "states"


@dataclass(frozen=True)
class FirstToken(Lens):
    """The first token of every row."""

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """[B, S, H] -> [B, H]."""
        return x[:, 0]


@dataclass(frozen=True)
class MeanTokens(Lens):
    """The mean over all positions of every row, padding included, as the authors of GLMD ran RAIL-KD."""

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """[B, S, H] -> [B, H]."""
        return x.mean(1)


@dataclass(frozen=True)
class Unit(Lens):
    """Scale the last dimension to Euclidean length 1."""

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """[..., H] -> [..., H]."""
        return F.normalize(x, dim=-1)


@dataclass(frozen=True)
class Times(Lens):
    """Multiply by a schedule (annealed targets)."""

    side: Side = "teacher"
    schedule: Schedule = field(kw_only=True)

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """Any shape."""
        return x * self.schedule(moment.clock)


@dataclass(frozen=True)
class Log(Lens):
    """Logarithm of probabilities, so that a divergence that applies a softmax sees the probabilities."""

    def look(self, x: Tensor, side: str, index: int, moment: Moment) -> Tensor:
        """[..., D] -> [..., D]; zeros become the smallest logarithm."""
        return x.clamp_min(torch.finfo(x.dtype).tiny).log()


@dataclass(frozen=True)
class Gram(ChainStep):
    """Scaled dot products between all tokens of a row, in groups of dimensions.

    MiniLMv2 (Wang et al., 2021), eq. 4-6: relations have the same shape whatever the width.

    Attributes:
        size: dimensions of a group in the teacher, which decides the number of groups of both sides (16:
            48 relation heads for a width of 768, 64 for 1024), or fewer where that does not divide the
            student's width; ``None``: each model's own attention heads.
    """

    size: int | None = None

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Lists of [B, S, H] -> lists of [B, groups, S, S]."""
        groups = None
        if self.size is not None:
            groups = common_groups(theirs[0].shape[-1] // self.size, ours[0], theirs[0])
        with full_precision(ours[0]):
            return (
                [_products(wide(x), groups or moment.heads["student"]) for x in ours],
                [_products(wide(x), groups or moment.heads["teacher"]) for x in theirs],
            )


def common_groups(most: int, ours: Tensor, theirs: Tensor) -> int:
    """The largest number of groups up to ``most`` that the widths of both tensors can be cut into."""
    widths = ours.shape[-1], theirs.shape[-1]
    return next(n for n in range(max(1, most), 0, -1) if not (widths[0] % n or widths[1] % n))


def _products(x: Tensor, groups: int) -> Tensor:
    """[B, S, H] -> [B, groups, S, S]."""
    split = x.unflatten(-1, (groups, -1)).transpose(1, 2)
    return split @ split.transpose(-1, -2) / math.sqrt(split.shape[-1])


@dataclass(frozen=True)
class Concat(ChainStep):
    """Join the layers of each side along the last dimension."""

    def widths(self, widths: Widths) -> Widths:
        """Sums of widths."""
        return Widths((sum(widths.student),), (sum(widths.teacher),))

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Lists of [..., H] -> one [..., layers * H] each."""
        return [torch.cat(ours, -1)], [torch.cat(theirs, -1)]


@dataclass(frozen=True)
class Stack(ChainStep):
    """Put the layers of each side along a new dimension after the rows."""

    def widths(self, widths: Widths) -> Widths:
        """One tensor a side."""
        return Widths(widths.student[:1], widths.teacher[:1])

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Lists of [B, S, H] -> one [B, layers, S, H] each."""
        return [torch.stack(ours, 1)], [torch.stack(theirs, 1)]


@dataclass(frozen=True)
class Attend(ChainStep):
    """Mix the teacher's layers by their similarity to the student's layer.

    ALP-KD (Passban et al., 2021), eq. 5-6: softmax over teacher layers of the unscaled dot products;
    gradients flow through the weights.
    """

    def widths(self, widths: Widths) -> Widths:
        """One teacher tensor."""
        return replace(widths, teacher=widths.teacher[:1])

    def __call__(
        self, ours: list[Tensor], theirs: list[Tensor], moment: Moment
    ) -> tuple[list[Tensor], list[Tensor]]:
        """One [B, H] against a list of [B, H] -> one each."""
        teachers = wide(torch.stack(theirs, 1))
        with full_precision(teachers):
            weights = (teachers @ wide(ours[0])[..., None]).softmax(1)
        return ours, [(weights * teachers).sum(1)]
