"""Parts of a model that FSDP gathers and gives back, and what lies outside them: shared tables, constants.

FSDP gathers a part's parameters for the backward pass when a gradient arrives at its output. An objective may
look at queries or scores and never at what becomes of them: then the gradient enters elsewhere, and the
parameters that it needs would not be there. So what was read inside is shown to FSDP as if it were returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from retort.training.units import Reading, tensors_in

Place = tuple[nn.Module, str]


def share_out(module: nn.Module, mesh: DeviceMesh, reading: Reading) -> None:
    """Make a module an FSDP unit that gathers its parameters whenever a gradient comes in."""

    def show(_: nn.Module, arguments: tuple[Any, ...], output: Any) -> tuple[Any, ...]:
        """The output, out of FSDP's sight, and the ways in for a gradient: no views, whose hooks get lost."""
        ways = [*tensors_in(output), *reading.inside(arguments)]
        entries = [tensor if tensor._base is None else tensor._base for tensor in ways]
        return lambda: output, [tensor for tensor in entries if tensor.requires_grad]

    module.register_forward_pre_hook(lambda _, arguments: reading.begin(arguments))
    module.register_forward_hook(show)
    unit = fully_shard(module, mesh=mesh)
    module.register_forward_hook(lambda _, arguments, shown: shown[0]())
    assert isinstance(unit, FSDPModule)
    # Losses are shares of the global batch's: gradients are summed, not averaged.
    unit.set_gradient_divide_factor(1.0)
    unit.set_force_sum_reduction_for_comms(True)


def shared_parameters(module: nn.Module) -> list[list[Place]]:
    """Modules and names of each parameter that a model has under several names, the first one first."""
    places: dict[int, list[Place]] = {}
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            places.setdefault(id(parameter), []).append((part, name))
    return [found for found in places.values() if len(found) > 1]


def share_again(places: Sequence[Sequence[Place]]) -> None:
    """Make the parameters one again that a move to a device has made several (:func:`shared_parameters`)."""
    for (first, name), *others in places:
        parameter = first.get_parameter(name)
        for part, other in others:
            part.register_parameter(other, parameter)


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """A model's constants, which every process has as a whole: rotations, biases that are not trained."""
    return {name: buffer.detach().to(torch.device("cpu")) for name, buffer in module.named_buffers()}
