"""Memory of transformers models: weights, what is resident on a device, and activations."""

from __future__ import annotations

from typing import NamedTuple

from retort.costs.memory import Held, held
from retort.costs.text_flops import attention_width, block_parameters, layers, parameters, two_stacks
from retort.models.hf.architecture import TextArchitecture

_FLOAT = 4


class _Kept(NamedTuple):
    """Numbers that a block's forward pass keeps for the backward pass, for each token.

    Attributes:
        states: by width; ``fed``: by width of the feed-forward; ``cross``: by width, in a decoder.
        copied: by width, where attention is fused, which wants its inputs in order.
    """

    states: int
    fed: int
    cross: int = 4
    copied: int = 0


_KEPT = {
    "bert": _Kept(4, 2),
    "bart": _Kept(4, 2),
    "mbart": _Kept(4, 2),
    "opt": _Kept(4, 1),
    "gpt_neox": _Kept(3, 2, copied=3),
    "llama": _Kept(6, 4),
    "t5": _Kept(6, 1, cross=5),
}
"""Read off torch's saved tensors, beside queries, keys, values and context."""
_GATED_T5 = 7
"""Its GELU is written out."""
_AROUND = 3
"""Numbers by width and token that embeddings and the final norm keep."""


def weights_bytes(model: TextArchitecture, vocabulary: int) -> float:
    """One set of a model's weights."""
    return float(_FLOAT * parameters(model, vocabulary))


def held_bytes(model: TextArchitecture, vocabulary: int) -> Held:
    """Bytes of a model, for :func:`retort.costs.memory.resident`."""
    cross = two_stacks(model)
    block = float(_FLOAT * block_parameters(model, cross))
    first = held(weights_bytes(model, vocabulary), block, layers(model))
    if not cross:
        return first
    # A decoder's blocks are the larger ones: two of them are what is gathered at most.
    return Held(first.all, first.whole - model.encoder_layers * _FLOAT * block_parameters(model))


def activation_bytes(
    model: TextArchitecture, rows: float, length: float, visible: float = 0.0, source: float = 0.0
) -> float:
    """What a forward pass in float32 keeps for the backward pass, the output projection apart.

    Args:
        rows, length, source: of the batch, padding included.
        visible: blocks whose attention an objective looks at; if any, that of all blocks keeps its scores.
    """
    cross = two_stacks(model)
    kept = layers(model) * _block(model, rows, length, visible) + _around(model, rows * length)
    if cross:
        across = attention_width(model)
        own = rows * length * ((_KEPT[model.kind].cross - 2 + _masks(model)) * model.width + 2 * across)
        seen = rows * length * source * model.heads if visible else 0.0
        kept += layers(model) * (own + 2 * rows * source * across + seen)
        kept += model.encoder_layers * _block(model, rows, source, visible) + _around(model, rows * source)
    return _FLOAT * kept


def _block(model: TextArchitecture, rows: float, length: float, visible: float) -> float:
    own, tokens = _KEPT[model.kind], rows * length
    fed = _GATED_T5 if model.kind == "t5" and not model.tied else own.fed
    written = _written(model, visible)
    kept = own.states + 2 * _masks(model) + (0 if written else own.copied)
    states = kept * model.width + 4 * attention_width(model)
    scores = tokens * length * model.heads if written else 0.0
    return tokens * (states + fed * model.inner) + scores


def _around(model: TextArchitecture, tokens: float) -> float:
    return _AROUND * tokens * model.width


def _masks(model: TextArchitecture) -> int:
    """Whether what dropout kept has to be remembered; LLaMA has it in attention alone."""
    return int(model.dropout > 0 and model.kind != "llama")


def _written(model: TextArchitecture, visible: float) -> bool:
    """Whether a stack keeps its own probabilities: looked at, or not fused because of a bias."""
    return visible > 0 or model.kind == "t5"
