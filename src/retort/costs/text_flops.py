"""Parameters and operations of transformers models, counted from their architecture alone.

Interface and conventions are those of :mod:`retort.costs.flops` for GLM: matrix products exactly, other
operations by the numbers they write. ``length`` is that of the stack whose sites are recorded (the
decoder, where there are two), ``source`` that of the encoder's input before it.
"""

from __future__ import annotations

from typing import NamedTuple

from retort.costs.flops import FUSED_BACKWARD, orthogonalised
from retort.costs.work import Work
from retort.models.hf.architecture import TextArchitecture
from retort.runs import Optimiser

_ADAMW_ELEMENTS = 10
_T5_BUCKETS = 32
"""Of relative positions, a learnt number for each head."""
_SHIFTED = 2
"""Rows that BART, mBART and OPT have in front of their table of positions."""


_WRITTEN = {False: Work(elements=1.0), True: Work(elements=6.0, launches=6.0)}
"""Of an attention that is fused or written out: numbers for each score, and operations."""


class _Kind(NamedTuple):
    """What tells kinds of models apart.

    Attributes:
        biases: whether linear layers have them; ``norm``: parameters of a norm by width.
        gated: whether the feed-forward has three matrices.
    """

    biases: bool
    norm: int
    gated: bool


def _kind(model: TextArchitecture) -> _Kind:
    if model.kind == "t5":
        return _Kind(False, 1, not model.tied)
    if model.kind == "llama":
        return _Kind(False, 1, True)
    return _Kind(True, 2, False)


def attention_width(model: TextArchitecture) -> int:
    """Width of queries, keys and values, all heads together."""
    return model.width if model.head_width is None else model.heads * model.head_width


def output_width(model: TextArchitecture) -> int:
    """Width of the states that are multiplied by the word table."""
    return model.word_width or model.width


def layers(model: TextArchitecture) -> int:
    """Blocks of the stack whose sites are recorded."""
    return model.decoder_layers or model.encoder_layers


def two_stacks(model: TextArchitecture) -> bool:
    """Whether there is an encoder before the stack whose sites are recorded."""
    return bool(model.encoder_layers and model.decoder_layers)


def block_matrices(model: TextArchitecture) -> list[tuple[int, int]]:
    """(outputs, inputs) of the linear layers of one block, attention to the other stack left out."""
    width, inner = model.width, model.inner
    up = [(inner, width)] * (2 if _kind(model).gated else 1)
    return [*_attention_matrices(model), *up, (width, inner)]


def _attention_matrices(model: TextArchitecture) -> list[tuple[int, int]]:
    width, across = model.width, attention_width(model)
    return [(across, width)] * 3 + [(width, across)]


def block_parameters(model: TextArchitecture, cross: bool = False) -> int:
    """Number of parameters of one block.

    Args:
        cross: a decoder's, which also looks at the other stack.
    """
    kind = _kind(model)
    matrices = block_matrices(model) + (_attention_matrices(model) if cross else [])
    linear = sum(rows * columns + (rows if kind.biases else 0) for rows, columns in matrices)
    return linear + (3 if cross else 2) * kind.norm * model.width


def parameters(model: TextArchitecture, vocabulary: int) -> int:
    """Number of parameters of the model that predicts words, shared ones once."""
    cross = two_stacks(model)
    blocks = model.encoder_layers * block_parameters(model)
    blocks += model.decoder_layers * block_parameters(model, cross)
    return blocks + around_parameters(model, vocabulary)


def around_parameters(model: TextArchitecture, vocabulary: int) -> int:
    """Number of parameters outside the blocks: tables, norms, what stands before the head."""
    width, norm = model.width, _kind(model).norm * model.width
    table = vocabulary * output_width(model)
    if model.kind == "bert":  # two kinds of segments; before the head a layer and a norm, behind it a bias
        return table + (model.positions + 2) * width + norm + (width + 1) * width + norm + vocabulary
    if model.kind in ("bart", "mbart"):
        stack = (model.positions + _SHIFTED) * width + norm * (2 if model.kind == "mbart" else 1)
        return table + 2 * stack
    found = table * (1 if model.tied else 2)
    if model.kind == "t5":
        return found + 2 * (norm + _T5_BUCKETS * model.heads)
    if model.kind == "opt":
        found += (model.positions + _SHIFTED) * width + sum(
            rows * columns for rows, columns in _beside(model)
        )
    return found + (norm if model.normalised == "before" else 0)


def forward(
    model: TextArchitecture, rows: float, length: float, visible: float = 0.0, source: float = 0.0
) -> Work:
    """One forward pass up to the output projection.

    Args:
        model: its architecture.
        rows, length, source: of the batch, padding included.
        visible: blocks whose attention an objective looks at; if any, that of all blocks is written out.
    """
    found = around(model, rows, length) + layers(model) * blocks(model, rows, length, visible, source)
    return found + encoder(model, rows, source, visible) if two_stacks(model) else found


def encoder(model: TextArchitecture, rows: float, source: float, visible: float = 0.0) -> Work:
    """The stack before the one whose sites are recorded."""
    return _embedding(model, rows * source) + model.encoder_layers * _block(model, rows, source, visible)


def around(model: TextArchitecture, rows: float, length: float) -> Work:
    """Embeddings, projections, the final norm, and what stands before the head."""
    tokens = rows * length
    products = 2.0 * tokens * sum(outputs * inputs for outputs, inputs in _beside(model))
    return _embedding(model, tokens) + Work(products)


def _beside(model: TextArchitecture) -> list[tuple[int, int]]:
    """(outputs, inputs) of the linear layers outside blocks and head."""
    width, words = model.width, output_width(model)
    if model.kind == "bert":
        return [(width, width)]
    return [] if words == width else [(width, words), (words, width)]


def _embedding(model: TextArchitecture, tokens: float) -> Work:
    return Work(0.0, 5.0 * tokens * model.width, 20.0)


def blocks(
    model: TextArchitecture, rows: float, length: float, visible: float = 0.0, source: float = 0.0
) -> Work:
    """One block of the stack whose sites are recorded."""
    found = _block(model, rows, length, visible)
    return found + _cross(model, rows, length, source, visible) if two_stacks(model) else found


def _block(model: TextArchitecture, rows: float, length: float, visible: float) -> Work:
    tokens, across = rows * length, attention_width(model)
    linear = 2.0 * tokens * sum(outputs * inputs for outputs, inputs in block_matrices(model))
    wide = model.inner * (3 if _kind(model).gated else 2)
    seen = tokens * length * model.heads
    return Work(
        linear + attention(model, rows, length, length),
        tokens * (4 * model.width + 4 * across + wide) + seen * _WRITTEN[visible > 0].elements,
        16.0 + _WRITTEN[visible > 0].launches,
    )


def _cross(model: TextArchitecture, rows: float, length: float, source: float, visible: float) -> Work:
    """A decoder's attention to the encoder's states, of which each block makes keys and values anew."""
    width, across, tokens = model.width, attention_width(model), rows * length
    linear = 2.0 * 2 * width * across * (tokens + rows * source)
    written = tokens * (2 * width + 2 * across) + rows * source * 2 * across
    seen = tokens * source * model.heads
    more = _WRITTEN[visible > 0]
    products = linear + attention(model, rows, length, source)
    return Work(products, written + seen * more.elements, 8.0 + more.launches)


def attention(model: TextArchitecture, rows: float, queries: float, keys: float) -> float:
    """Operations of the two products of one block's attention."""
    return 4.0 * rows * queries * keys * attention_width(model)


def backward(
    model: TextArchitecture,
    rows: float,
    length: float,
    visible: float = 0.0,
    depth: float | None = None,
    source: float = 0.0,
) -> Work:
    """The backward pass of :func:`forward`.

    Args:
        depth: blocks of the recorded stack that the gradient goes through; ``None``: all. The other stack's
            all come after them.
    """
    deep = layers(model) if depth is None else depth
    there = around(model, rows, length) + deep * blocks(model, rows, length, visible, source)
    products = deep * attention(model, rows, length, length)
    if two_stacks(model):
        there += encoder(model, rows, source, visible)
        products += deep * attention(model, rows, length, source)
        products += model.encoder_layers * attention(model, rows, source, source)
    return there * 2 + Work(0.0 if visible else (FUSED_BACKWARD - 2) * products)


def update(model: TextArchitecture, vocabulary: int, optimiser: Optimiser) -> Work:
    """One step of the optimiser, clipping included."""
    work = Work(0.0, _ADAMW_ELEMENTS * float(parameters(model, vocabulary)), 60.0)
    decoder = block_matrices(model) + (_attention_matrices(model) if two_stacks(model) else [])
    matrices = block_matrices(model) * model.encoder_layers + decoder * model.decoder_layers
    return work + orthogonalised(matrices, optimiser)
