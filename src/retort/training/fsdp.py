"""Parts of a model that FSDP gathers and gives back, and a model's constants, which are whole everywhere.

FSDP gathers a part's parameters for the backward pass when a gradient arrives at its output. An objective may
look at queries or scores and never at what becomes of them: then the gradient enters elsewhere, and the
parameters that it needs would not be there. So what was read inside is shown to FSDP as if it were returned.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from retort.training.units import Reading, tensors_in


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


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """A model's constants, which every process has as a whole: rotations, biases that are not trained."""
    return {name: buffer.detach().to(torch.device("cpu")) for name, buffer in module.named_buffers()}
