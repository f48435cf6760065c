"""The processes that train a stage together; most stages are trained by a single one.

:class:`World` is that single process, and what the loop and the stages ask of any number of them.
:class:`retort.training.sharding.Team` is several, each with a device of its own, that share models out
among them. Which it is decides whoever starts the script: ``python`` or ``torchrun``. What comes out is
the same up to rounding: losses are divided by totals of the global batch, wherever its rows are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from retort.distill.binding import BoundObjective
from retort.errors import InputError, RetortError
from retort.runs import Optimiser
from retort.training.checkpoints import Scratch
from retort.training.lessons import Batch
from retort.training.units import Units

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class World:
    """One process by itself. As a context manager it is connected to the others, if there are any.

    Attributes:
        rank: number of this process; ``size``: how many there are.
    """

    rank = 0
    size = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports progress."""
        return self.rank == 0

    def device(self, kind: torch.device) -> torch.device:
        """This process's own device of a kind."""
        return kind

    def place(self, build: Callable[[], M], device: torch.device, units: Units[Any]) -> M:
        """A model on the device, or this process's share of it.

        Args:
            build: makes it, in the first process alone.
            device: this process's own.
            units: how models of its kind are shared out.
        """
        return build().to(device)

    def join(self, objective: BoundObjective, settings: Optimiser, seed: int) -> None:
        """Make ready for training: lens parameters agree, random draws of processes do not.

        Raises:
            InputError: several processes cannot train towards this objective, or with this optimiser.
        """

    def gradient_norm(self, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Complete the gradient of the global batch; its norm []."""
        return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)

    def clip(self, parameters: Sequence[nn.Parameter], limit: float, norm: Tensor) -> None:
        """Scale a gradient of this ``norm`` down to ``limit``."""
        nn.utils.clip_grads_with_norm_(parameters, limit, norm, foreach=True)

    def part(self, tensor: Tensor) -> Tensor:
        """What this process has of a tensor."""
        return tensor

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes."""
        return list(values)

    def agree(self, value: T) -> T:
        """The first process's value."""
        return value

    def gather(self, value: T) -> list[T]:
        """Each process's value, in order."""
        return [value]

    def whole(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tensors to publish, put together again in the first process (others may get less)."""
        return tensors

    def scratch(self, folder: Path) -> Scratch:
        """Training states of a run.

        Raises:
            RetortError: another number of processes left one there.
        """
        same_size_as_before(folder, self.size)
        return Scratch(folder)


ALONE = World()


def current_world() -> World:
    """The processes that this one was started with: ``torchrun`` tells by the environment.

    Raises:
        InputError: the environment counts several processes, but does not say which this is.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in needed if name not in os.environ]
    if missing:
        raise InputError(
            f"WORLD_SIZE is {size}, but {missing[0]} is not set: start the script with "
            f"torchrun --nproc-per-node {size}, or unset WORLD_SIZE"
        )
    from retort.training.sharding import Team

    return Team(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))


def deal(batch: Batch, limit: int, world: World, together: bool) -> list[Any]:
    """This process's micro-batches of a global batch.

    They are dealt in turn and hold ``limit`` examples at most; fewer where that gives every process some.
    Where rows are looked at ``together``, micro-batches stay those that a single process would see. Every
    process makes as many passes as any other: for want of a micro-batch it repeats one that does not count.

    Args:
        batch: the same in all processes (see :class:`retort.training.lessons.Batch`).
        limit: examples of a micro-batch.
        world: the processes.
        together: see :attr:`retort.distill.objective.Objective.together`.
    """
    examples = batch.totals.examples
    size = limit if together else min(limit, -(-examples // world.size))
    parts = [batch] if size >= examples else batch.split(size)
    mine = parts[world.rank :: world.size]
    first: Any = parts[0]
    spare = replace(first, totals=replace(batch.totals, idle=True))
    return mine + [spare] * (-(-len(parts) // world.size) - len(mine))


def portion(items: Sequence[T], world: World) -> Sequence[T]:
    """This process's part of a list of work; the first item again for want of others.

    All get equally many, because models that are shared out only run in all processes at once.
    """
    mine = list(items[world.rank :: world.size])
    return mine + list(items[:1]) * (-(-len(items) // world.size) - len(mine))


def same_size_as_before(folder: Path, size: int) -> None:
    """Refuse to go on from the states of another number of processes, which a run cannot continue.

    Raises:
        RetortError: there are such states.
    """
    left = {int(path.name.partition("-of-")[2]) for path in folder.glob("*-of-*")}
    if next(folder.glob("state-*.pt"), None) is not None:
        left.add(1)
    for before in sorted(left - {size}):
        raise RetortError(
            f"{folder}: holds the training state of {before} process(es), this run has {size}: go on with "
            f"{before} (models.*.devices, torchrun --nproc-per-node), or remove the folder to start again"
        )
