"""Device memory of a stage's job: what stays, and what is gathered for a moment; activations come on top."""

from __future__ import annotations

from retort.costs.disk import model_bytes
from retort.costs.flops import block_parameters
from retort.costs.sizes import Sizes
from retort.stages import Architecture, Stage

_FLOAT = 4


def device_bytes(stage: Stage, sizes: Sizes, devices: int) -> float:
    """Least memory of each of the devices that a run is shared out among.

    Weights, gradients and two moments of the student and the weights of its teachers, of which each device
    has an equal share. Under autocast, half-precision copies of all of the student's weights, which the
    backward pass keeps on every device. With several devices also what is whole while a model runs: the
    tables around the blocks, the block at work and the one that is fetched meanwhile, for the student with
    their gradients (see :mod:`retort.training.sharding`).
    """
    own, taught = model_bytes(stage, sizes), [model_bytes(teacher, sizes) for teacher in stage.teachers]
    shared = (4 * own + sum(taught)) / devices
    copies = own / 2 if stage.precision == "bfloat16" else 0.0
    if devices == 1:
        return shared + copies
    return shared + copies + 2 * _whole(stage, own) + sum(map(_whole, stage.teachers, taught))


def _whole(stage: Stage, model: float) -> float:
    """Bytes of a model's tables and of two of its blocks."""
    assert isinstance(stage.architecture, Architecture)
    layers, block = stage.architecture.layers, _FLOAT * block_parameters(stage.architecture)
    return model - layers * block + min(2, layers) * block
