"""How transformers models are taken apart to be shared out among processes, and made anew in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from retort.models.hf.building import has_own_head, untie
from retort.training.units import Reading, tensors_in


class HFUnits:
    """Every layer of every stack is a block."""

    def describe(self, module: Any) -> Any:
        """Its class, its configuration, and what a T5's configuration cannot say."""
        return type(module), module.config, has_own_head(module)

    def empty(self, description: Any) -> Any:
        """A model of a class and a configuration."""
        kind, config, own_head = description
        module = kind(config)
        if own_head:
            untie(module)
        return module

    def blocks(self, module: Any) -> Sequence[nn.Module]:
        """The layers, in the order in which they run."""
        kind = module.config.model_type
        if kind == "bert":
            return list(module.base_model.encoder.layer)
        if kind == "opt":
            return list(module.base_model.decoder.layers)
        if kind in ("gpt_neox", "llama"):
            return list(module.base_model.layers)
        stacks = module.get_encoder(), module.get_decoder()
        return [block for stack in stacks for block in (stack.block if kind == "t5" else stack.layers)]

    def reading(self, block: nn.Module | None) -> Reading:
        """By what modules inside give besides their own output, such as scores; the whole returns all."""
        return _Besides(() if block is None else [inner for inner in block.modules() if inner is not block])


HF_UNITS = HFUnits()


class _Besides:
    """Tensors that modules return as part of a tuple."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._found: list[Tensor] = []
        for module in modules:
            module.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, tuple):
            self._found += tensors_in(output)

    def begin(self, arguments: tuple[Any, ...]) -> None:
        self._found = []

    def inside(self, arguments: tuple[Any, ...]) -> Sequence[Tensor]:
        found, self._found = self._found, []
        return found
