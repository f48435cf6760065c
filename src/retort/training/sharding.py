"""Several processes with a device each, among which models are shared out (FSDP2, ZeRO stage 3).

Every process keeps an equal part of each parameter, of its gradient and of its moments; the parameters of
a block are gathered while the block runs. Student and teachers are shared out; lenses are small and stay
whole in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from retort.distill.binding import BoundObjective
from retort.errors import InputError, RetortError
from retort.runs import Optimiser
from retort.training.checkpoints import Scratch
from retort.training.distribution import World, same_size_as_before
from retort.training.fsdp import buffers_of, share_out
from retort.training.team_scratch import TeamScratch, mesh_of
from retort.training.units import Units

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another. The longest honest waits are for the first process: it draws or
reads a model of ten billion parameters, and writes it in the end."""


class Team(World):
    """Several processes. Enter it before anything else is asked of it.

    Args:
        rank, size: see :class:`World`. ``local_rank``: number of the process, and of its GPU, on its machine.
        patience: how long to wait for another process before giving up.
    """

    def __init__(self, rank: int, size: int, local_rank: int, patience: timedelta = PATIENCE) -> None:
        self.rank = rank
        self.size = size
        self.local_rank = local_rank
        self.patience = patience

    def __enter__(self) -> Self:
        # Both: tensors live on the GPUs where there are any, small agreements need none.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=self.patience)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.gather(None)
            dist.destroy_process_group()
        elif isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
            silent = "timed out" in str(error).lower()
            what = f"no answer for {self.patience.total_seconds():g} s from" if silent else "lost"
            raise RetortError(
                f"process {self.rank} of {self.size}: {what} another process of this stage; what it said "
                "last tells why; nothing was published, the same command goes on from the last state"
            ) from error

    def device(self, kind: torch.device) -> torch.device:
        """The GPU with this process's number, or the CPU."""
        if kind.type == "cpu":
            return kind
        count = torch.cuda.device_count()
        # A process that has claimed its GPU (retort.devices) sees no other.
        number = 0 if count == 1 else self.local_rank
        if number >= count:
            raise InputError(
                f"process {self.rank} of {self.size} has no GPU of its own, torch sees {count}: "
                "the job needs a GPU for each process (models.*.devices)"
            )
        torch.cuda.set_device(number)
        return torch.device(kind.type, number)

    def place(self, build: Callable[[], M], device: torch.device, units: Units[Any]) -> M:
        """This process's share of a model that the first process makes on its CPU."""
        whole = self._first_makes(build)
        described: Any = None
        if whole is not None:
            dtype = next(whole.parameters()).dtype
            described = units.describe(whole), dtype, whole.training, buffers_of(whole)
        description, dtype, training, buffers = self.agree(described)
        with torch.device("meta"):
            module = units.empty(description).to(dtype).train(training)
        mesh = mesh_of(device.type, self.size)
        for block in units.blocks(module):
            share_out(block, mesh, units.reading(block))
        share_out(module, mesh, units.reading(None))
        module.to_empty(device=device)
        source = {} if whole is None else dict(whole.named_parameters())
        with torch.no_grad():
            for name, own in module.named_parameters():
                given = torch.empty(own.shape, dtype=dtype) if whole is None else source.pop(name).detach()
                own.copy_(distribute_tensor(given.to(device), mesh, [Shard(0)]))
            for name, own in module.named_buffers():
                own.copy_(buffers[name])
        return module

    def _first_makes(self, build: Callable[[], M]) -> M | None:
        """What ``build`` gives in the first process, nothing in the others; its error is everyone's."""
        made, error = None, None
        if self.first:
            try:
                made = build()
            except RetortError as found:
                error = found
        told = self.agree(error)
        if told is not None:
            raise told
        return made

    def join(self, objective: BoundObjective, settings: Optimiser, seed: int) -> None:
        """Take over the first process's lenses, which it drew after its model; draw dropout apart."""
        if objective.policy is not None:
            raise InputError(
                "this objective learns a policy from the micro-batch before (RL-KD), which several processes "
                "do not see in order: train it on one device (models.*.devices: 1)"
            )
        if objective.objective.gathers:
            raise InputError(
                "this objective gathers something over all micro-batches (quirk cka-micro-batch: fixed), "
                "which several processes do not: train it on one device (models.*.devices: 1)"
            )
        if settings.muon is not None:
            raise InputError(
                "Muon orthogonalises whole matrices, and each of several processes holds a part of them: set "
                "the optimiser's muon to null, or train on one device (models.*.devices: 1)"
            )
        for tensor in objective.state_dict().values():
            dist.broadcast(tensor, 0)
        torch.manual_seed(Random(f"{seed}/{self.rank}").getrandbits(63))

    def gradient_norm(self, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Add up what lenses got in each process, models' gradients are summed already; the norm of all."""
        shared, whole = _gradients(parameters)
        for gradient in whole:
            dist.all_reduce(gradient)
        squares = nn.utils.get_total_norm(shared).square()
        dist.all_reduce(squares)
        if whole:
            squares = squares + nn.utils.get_total_norm(whole).square()
        return squares.sqrt()

    def clip(self, parameters: Sequence[nn.Parameter], limit: float, norm: Tensor) -> None:
        """Scale this process's part of the gradient, by the rule of ``torch.nn.utils.clip_grad_norm_``."""
        shared, whole = _gradients(parameters)
        torch._foreach_mul_([*shared, *whole], (limit / (norm + 1e-6)).clamp(max=1.0))

    def part(self, tensor: Tensor) -> Tensor:
        """Its own rows where it is shared out."""
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes, in double precision."""
        found = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(found)
        return found.tolist()

    def agree(self, value: T) -> T:
        """The first process's value."""
        holder = [value]
        dist.broadcast_object_list(holder, 0, device=torch.device("cpu"))
        return holder[0]

    def gather(self, value: T) -> list[T]:
        """Each process's value, in order."""
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def whole(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors on the first process's CPU, gathered one by one; none in the others."""
        found = {}
        for name, tensor in tensors.items():
            value = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            if self.first:
                found[name] = value.cpu()
        return found

    def scratch(self, folder: Path) -> Scratch:
        """States of which every process keeps its part."""
        same_size_as_before(folder, self.size)
        return TeamScratch(folder, self)


def _gradients(parameters: Sequence[nn.Parameter]) -> tuple[list[Tensor], list[Tensor]]:
    """This process's parts of shared gradients, and gradients of parameters that are whole everywhere."""
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    shared = [gradient.to_local() for gradient in found if isinstance(gradient, DTensor)]
    return shared, [gradient for gradient in found if not isinstance(gradient, DTensor)]
