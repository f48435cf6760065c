"""Changes to a forward pass: other activations or other blocks in place of the model's own.

An edit is a value; for a batch it makes a :class:`Patch` for the student and one for each teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.distill.layermaps import Pair, RandomGroup, segment_ends
from retort.distill.schedules import Clock, Schedule
from retort.lazy import torch
from retort.models.features import UNCHANGED, Patch, Shape, Site

if TYPE_CHECKING:
    from torch import Tensor

    from retort.models.features import Family, Features


class Edit:
    """A change to the forward pass.

    Attributes:
        needs_teacher: whether the student's pass takes something from the teacher.
        second_pass: whether it is made in a pass of its own, after an untouched one.
        across_rows: whether a row gets something from another row of the micro-batch.
        site: where it reads :meth:`sources` in the untouched pass.
    """

    needs_teacher = False
    second_pass = False
    across_rows = False
    site = "hidden"

    def sources(self, clock: Clock, student: Shape, teacher: Shape) -> Pair:
        """Layers of :attr:`site` that the edit reads in the untouched pass."""
        return Pair((), ())

    def patches(
        self,
        clock: Clock,
        batch: Any,
        student: Family,
        teacher: Family,
        seen: tuple[Features, Features] | None,
    ) -> tuple[Patch, Patch]:
        """What to change in the student's and in the teacher's pass."""
        raise NotImplementedError


@dataclass(frozen=True)
class ReplaceBlocks(Edit):
    """Teacher segments in place of student blocks, each block kept with a growing probability.

    BERT-of-Theseus (Xu et al., 2020). The choice is made once for a batch. As the authors ran it, a draw
    without any student block stands (quirk ``theseus-all-teacher``).

    Attributes:
        keep: probability of keeping a student block.
    """

    needs_teacher = True

    keep: Schedule

    def patches(
        self,
        clock: Clock,
        batch: Any,
        student: Family,
        teacher: Family,
        seen: tuple[Features, Features] | None,
    ) -> tuple[Patch, Patch]:
        """Only the student's list of blocks changes."""
        ends = [0, *segment_ends(teacher.shape.layers, student.shape.layers)]
        own, other = student.blocks(), teacher.blocks()
        blocks: list[Any] = []
        for index, keep in enumerate(self.kept(clock, len(own))):
            blocks.extend([own[index]] if keep else other[ends[index] : ends[index + 1]])
        return Patch(blocks=tuple(blocks)), UNCHANGED

    def kept(self, clock: Clock, blocks: int) -> list[bool]:
        """Which of the student's blocks take part in this step."""
        rng, rate = clock.draw("theseus"), self.keep(clock)
        return [rng.random() < rate for _ in range(blocks)]


@dataclass(frozen=True)
class ReplaceSomeBlocks(ReplaceBlocks):
    """The same, drawn again until at least one student block takes part (quirk ``theseus-all-teacher``)."""

    def kept(self, clock: Clock, blocks: int) -> list[bool]:
        """Which of the student's blocks take part in this step.

        Raises:
            ValueError: the schedule keeps none, ever.
        """
        rng, rate = clock.draw("theseus"), self.keep(clock)
        if rate <= 0:
            raise ValueError("a student block is kept with probability 0: none will ever be")
        while True:
            found = [rng.random() < rate for _ in range(blocks)]
            if any(found):
                return found


@dataclass(frozen=True)
class SwapTokens(Edit):
    """Counterfactual pass: a span of each row gets the activations of a span of the next row.

    DIITO (Wu et al., 2022) as GLMD's authors ran it: the normalised input of one random student block
    and of all blocks of its teacher segment; both models use the same positions (quirk ``diito-site``).

    Attributes:
        share: length of the span as a share of the shorter of the two rows.
    """

    second_pass = True
    across_rows = True

    share: float

    def sources(self, clock: Clock, student: Shape, teacher: Shape) -> Pair:
        """The layers whose activations are exchanged."""
        return RandomGroup().pairs(clock, student.layers, teacher.layers)[0]

    def patches(
        self,
        clock: Clock,
        batch: Any,
        student: Family,
        teacher: Family,
        seen: tuple[Features, Features] | None,
    ) -> tuple[Patch, Patch]:
        """Both passes get exchanged activations at the source layers."""
        assert seen is not None
        layers = self.sources(clock, student.shape, teacher.shape)
        where, source = self.spans(clock, batch.valid.sum(1).tolist(), batch.valid.shape[1])
        where, source = where.to(batch.valid.device), source.to(batch.valid.device)
        return (
            self.patch(self._exchanged(seen[0], layers.student, where, source)),
            self.patch(self._exchanged(seen[1], layers.teacher, where, source)),
        )

    def patch(self, changes: Mapping[int, Callable[[Tensor], Tensor]]) -> Patch:
        """Where the exchanged activations go."""
        return Patch(hidden=changes)

    def spans(self, clock: Clock, lengths: Sequence[int], longest: int) -> tuple[Tensor, Tensor]:
        """Positions that change, bool [B, S], and the positions in the next row they take, int64 [B, S]."""
        rng = clock.draw("swap")
        where = torch.zeros(len(lengths), longest, dtype=torch.bool)
        source = torch.arange(longest).repeat(len(lengths), 1)
        for row, length in enumerate(lengths):
            other = lengths[(row + 1) % len(lengths)]
            size = int(self.share * min(length, other))
            target, start = rng.randint(0, length - size), rng.randint(0, other - size)
            where[row, target : target + size] = True
            source[row, target : target + size] = torch.arange(start, start + size)
        return where, source

    def _exchanged(
        self, seen: Features, layers: Sequence[int], where: Tensor, source: Tensor
    ) -> dict[int, Callable[[Tensor], Tensor]]:
        """For each layer a function of its activations [B, S, H]; the source keeps its gradient."""

        def change(layer: int) -> Callable[[Tensor], Tensor]:
            others = seen[Site(self.site, layer)].roll(-1, 0)
            taken = others.gather(1, source[..., None].expand_as(others))
            return lambda own: torch.where(where[..., None], taken, own)

        return {layer: change(layer) for layer in layers}


@dataclass(frozen=True)
class SwapResiduals(SwapTokens):
    """The same exchange in the residual stream, so that everything above it sees it.

    DIITO (Wu et al., 2022) as published: the output of a block itself is exchanged, that of the last block
    before the final LayerNorm (quirk ``diito-site``).
    """

    site = "residual"

    def patch(self, changes: Mapping[int, Callable[[Tensor], Tensor]]) -> Patch:
        """The residual stream goes on with the exchanged values."""
        return Patch(residual=changes)


@dataclass(frozen=True)
class StandIns(Edit):
    """The teacher reads the words that a student with a compressed vocabulary is left with.

    An ablation of GLMD (Tan et al., 2023, Table 4): dropped words of the teacher's input are replaced by
    those that stand in for them. What it is asked to predict stays.
    """

    def patches(
        self,
        clock: Clock,
        batch: Any,
        student: Family,
        teacher: Family,
        seen: tuple[Features, Features] | None,
    ) -> tuple[Patch, Patch]:
        """Only the teacher's input changes; with a whole vocabulary nothing does."""
        return UNCHANGED, Patch(words=student.stand_ins())
