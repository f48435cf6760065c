"""Device memory of a stage's job: what stays, and what is gathered for a moment; activations come on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    student, *teachers = (_held(each, sizes) for each in (stage, *stage.teachers))
    return resident(student, teachers, devices, stage.precision == "bfloat16")


def resident(student: Held, teachers: Sequence[Held], devices: int, half: bool) -> float:
    """Bytes on each device, activations apart (:func:`device_bytes`); ``half``: under autocast."""
    shared = (4 * student.all + sum(teacher.all for teacher in teachers)) / devices
    copies = student.all / 2 if half else 0.0
    if devices == 1:
        return shared + copies
    return shared + copies + 2 * student.whole + sum(teacher.whole for teacher in teachers)


@dataclass(frozen=True)
class Held:
    """Bytes of a model.

    Attributes:
        all: of its weights; ``whole``: of those that a device gathers at a time.
    """

    all: float
    whole: float


def held(weights: float, block: float, blocks: int) -> Held:
    """Of a model of so many blocks: what is around them, and two of them, are gathered at a time."""
    return Held(weights, weights - blocks * block + min(2, blocks) * block)


def _held(stage: Stage, sizes: Sizes) -> Held:
    model = stage.architecture
    assert isinstance(model, Architecture)
    return held(model_bytes(stage, sizes), float(_FLOAT * block_parameters(model)), model.layers)
