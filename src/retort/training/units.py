"""How models of a kind are taken apart to be shared out among processes, and made anew in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from retort.models.features import Recorder, WordLogits
from retort.models.glm import GLM

M = TypeVar("M", bound=nn.Module)


class Reading(Protocol):
    """Knows the tensors that an objective reads inside a part of a model while it runs."""

    def begin(self, arguments: tuple[Any, ...]) -> None:
        """The part is about to run."""
        ...

    def inside(self, arguments: tuple[Any, ...]) -> Sequence[Tensor]:
        """What was read since then."""
        ...


class Units(Protocol[M]):
    """How models of a kind are taken apart, and made anew from something small."""

    def describe(self, module: M) -> Any:
        """All but tensors, so that it can be sent."""
        ...

    def empty(self, description: Any) -> M:
        """Such a model, on the device that is current."""
        ...

    def blocks(self, module: M) -> Sequence[nn.Module]:
        """The parts that are gathered one by one; all else stays gathered while the model runs."""
        ...

    def reading(self, block: nn.Module | None) -> Reading:
        """Of a block; ``None``: of the model as a whole."""
        ...


class GLMUnits:
    """GLM: one stack of blocks, whose tensors a recorder is told of."""

    def describe(self, module: GLM) -> Any:
        """Its configuration."""
        return module.config

    def empty(self, description: Any) -> GLM:
        """A model of a configuration."""
        return GLM(description)

    def blocks(self, module: GLM) -> Sequence[nn.Module]:
        """The transformer blocks."""
        return list(module.transformer.layers)

    def reading(self, block: nn.Module | None) -> Reading:
        """By the recorder among the arguments."""
        return _Recorded()


GLM_UNITS = GLMUnits()


class _Recorded:
    def __init__(self) -> None:
        self._before = 0

    def begin(self, arguments: tuple[Any, ...]) -> None:
        self._before = len(_recorder(arguments).values)

    def inside(self, arguments: tuple[Any, ...]) -> Sequence[Tensor]:
        return list(_recorder(arguments).values.values())[self._before :]


def _recorder(arguments: tuple[Any, ...]) -> Recorder:
    return next(argument for argument in arguments if isinstance(argument, Recorder))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of an output, however it is nested; of word logits the states."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, WordLogits):
        yield value.hidden
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from tensors_in(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from tensors_in(inner)
