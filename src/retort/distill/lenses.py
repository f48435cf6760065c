"""Lenses: what is done to a feature before it is compared.

A lens is a value; if it learns, its parameters are made by :meth:`build` and live in the
objective, never in the student.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from retort.lazy import functional as F
from retort.lazy import nn

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from retort.models.features import Shape

Side = Literal["student", "teacher", "both"]


class Lens(Protocol):
    """A map from feature to feature, on one side of a comparison or on both."""

    @property
    def side(self) -> Side:
        """Which side it looks at."""
        ...

    def build(self, student: Shape, teacher: Shape) -> Module | None:
        """The trainable part, or ``None``."""
        ...

    def __call__(self, x: Tensor, module: Module | None) -> Tensor:
        """Apply the lens; ``module`` is what :meth:`build` returned."""
        ...


@dataclass(frozen=True)
class Project:
    """One affine projection of the student's features to the teacher's width, shared by all layers.

    TinyBERT (Jiao et al., 2020), eq. 8-9; used even when the widths agree, as the authors ran it.
    """

    bias: bool = True
    side: Side = "student"

    def build(self, student: Shape, teacher: Shape) -> Module:
        """A linear layer with torch's default initialisation."""
        return nn.Linear(student.width, teacher.width, bias=self.bias)

    def __call__(self, x: Tensor, module: Module | None) -> Tensor:
        """[..., H_s] -> [..., H_t]."""
        assert module is not None
        return module(x)


@dataclass(frozen=True)
class FirstToken:
    """The first token of every row."""

    side: Side = "both"

    def build(self, student: Shape, teacher: Shape) -> None:
        """Nothing to learn."""

    def __call__(self, x: Tensor, module: Module | None) -> Tensor:
        """[B, S, H] -> [B, H]."""
        return x[:, 0]


@dataclass(frozen=True)
class Unit:
    """Scale the last dimension to Euclidean length 1."""

    side: Side = "both"

    def build(self, student: Shape, teacher: Shape) -> None:
        """Nothing to learn."""

    def __call__(self, x: Tensor, module: Module | None) -> Tensor:
        """[..., H] -> [..., H]."""
        return F.normalize(x, dim=-1)


@dataclass(frozen=True)
class Gram:
    """Scaled dot products between all tokens of a row, in ``heads`` groups of dimensions.

    MiniLMv2 (Wang et al., 2021), eq. 4-6: relations have the same shape whatever the width.
    """

    heads: int
    side: Side = "both"

    def build(self, student: Shape, teacher: Shape) -> None:
        """Nothing to learn."""

    def __call__(self, x: Tensor, module: Module | None) -> Tensor:
        """[B, S, H] -> [B, heads, S, S]."""
        batch, length, width = x.shape
        split = x.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        return split @ split.transpose(-1, -2) / math.sqrt(width // self.heads)
