"""The one call of a transformers model, and what came back of what was asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

T = TypeVar("T")

_INPUTS = frozenset(
    {
        *("input_ids", "attention_mask", "token_type_ids"),
        *("encoder_hidden_states", "encoder_attention_mask"),
    }
)


def run_body(body: nn.Module, inputs: Mapping[str, Tensor], *, hidden: bool, scores: bool) -> Any:
    """The one call of a transformers model.

    ``forward`` of transformers 5 swallows unknown keywords, so that a misspelt or removed one
    changes nothing and says nothing: only inputs of a fixed list that this model's signature
    names are passed on.

    Raises:
        TypeError: an input is not on the list, or this model does not take it.
    """
    known = _INPUTS & inspect.signature(body.forward).parameters.keys()
    surplus = sorted(inputs.keys() - known)
    if surplus:
        raise TypeError(f"{type(body).__name__} takes no {surplus[0]!r}; it takes {', '.join(sorted(known))}")
    return body(
        **inputs, use_cache=False, return_dict=True, output_hidden_states=hidden, output_attentions=scores
    )


def as_forward_of(module: nn.Module, run: Callable[[], T]) -> T:
    """``run()`` in the place of a module's forward pass.

    The parts of a model run one by one here, and its head not at all; hooks on the whole model (those that
    gather parameters which are shared out among processes) are to see one pass all the same.
    """
    module.forward = run
    try:
        found: T = module()
    finally:
        del module.forward
    return found


def layers_of(out: Any, name: str, expected: int) -> tuple[Tensor, ...]:
    """Per-layer tensors of an output, which transformers leaves out silently where it cannot give them.

    Raises:
        RuntimeError: not exactly ``expected`` tensors came back.
    """
    found = out.get(name) or ()
    if len(found) != expected or any(tensor is None for tensor in found):
        raise RuntimeError(f"asked for {expected} {name}, the model gave {len(found)}")
    return tuple(found)
