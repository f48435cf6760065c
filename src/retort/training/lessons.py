"""What the training on a task asks of a kind of task: examples, batches, and how a student is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from retort.models.features import Family, Shape, Site
    from retort.training.distribution import World
    from retort.training.probes import View


class Batch(Protocol):
    """Rows that models read, see :class:`retort.data.batches.GLMBatch` and ``TextBatch``."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Of its examples."""
        ...

    @property
    def totals(self) -> Any:
        """Denominators of the global batch."""
        ...

    @property
    def valid(self) -> torch.Tensor:
        """bool [B, S], false on padding."""
        ...

    def to(self, device: torch.device) -> Any:
        """The same batch on another device."""
        ...

    def split(self, size: int) -> list[Any]:
        """Micro-batches of ``size`` examples that keep padding and totals."""
        ...


@dataclass(frozen=True)
class Judged:
    """What an evaluation found.

    Attributes:
        metrics: on all examples of dev; ``select``, ``report``: on the two halves of the protocol
            ``held_out`` (choose a checkpoint on one, report it on the other).
        write: writes the predictions, one JSON object a line.
        losses: on dev, by name, where the task has any.
    """

    metrics: dict[str, float]
    select: dict[str, float]
    report: dict[str, float]
    write: Callable[[Path], None]
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recall:
    """How a fine-tuned teacher answers from what was stored of it, instead of running.

    Attributes:
        sites: what it answers.
        open: makes it of the folder with what was stored, its shape and a device.
    """

    sites: frozenset[Site]
    open: Callable[[Path, Shape, torch.device], Family]


class Lesson(Protocol):
    """A task's examples, read once for all runs of a stage on it."""

    @property
    def train(self) -> Sequence[Any]:
        """Training examples."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """What is read, for the run card."""
        ...

    @property
    def recall(self) -> Recall | None:
        """How teachers answer from what was stored; ``None``: they run."""
        ...

    def collate(self, examples: Sequence[Any]) -> Batch:
        """A batch of some of them."""
        ...

    def taught(
        self, examples: Sequence[Any], step: int, student: Family, signals: Sequence[Path], seed: int
    ) -> Sequence[Any]:
        """What an update learns on instead of examples of the data: most often those themselves.

        Args:
            examples: of the update after ``step`` finished ones.
            step: finished updates.
            student: as it is now.
            signals: folders with what each teacher stored.
            seed: of the stage.
        """
        ...

    def judge(
        self, student: Family, teachers: Sequence[Family], device: torch.device, world: World
    ) -> Judged:
        """Evaluate on dev; modes of models are left as found."""
        ...

    def probed(self) -> tuple[View, Batch] | None:
        """How a student is laid beside its teacher, and on which examples of dev; ``None``: it is not."""
        ...

    def guesses(self) -> dict[str, dict[str, float]]:
        """Metrics on dev of what answers without having learnt, by name."""
        ...
