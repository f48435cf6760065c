"""Floating-point operations of a GLM, counted from its architecture alone.

Matrix products are counted exactly (two operations for each multiply-add, the convention of
``torch.utils.flop_counter``); other operations by the numbers they write, which is an estimate.
"""

from __future__ import annotations

from retort.costs.work import NOTHING, Work
from retort.models.glm_architecture import Architecture
from retort.runs import Optimiser

FUSED_BACKWARD = 2.5
"""Backward over forward of fused attention: it multiplies the scores out once more (5 products for 2)."""

_ADAMW_ELEMENTS = 10
_NEWTON_SCHULZ_PRODUCTS = 3


def inner_width(model: Architecture) -> int:
    """Width inside the blocks."""
    return model.width if model.bottleneck is None else model.bottleneck[0]


def feed_forwards(model: Architecture) -> int:
    """Feed-forward networks in each block."""
    return 1 if model.bottleneck is None else model.bottleneck[1]


def output_width(model: Architecture) -> int:
    """Width of the states that are multiplied by the word table."""
    return model.factorised or model.width


def block_matrices(model: Architecture) -> list[tuple[int, int]]:
    """(outputs, inputs) of the linear layers of one block, query, key and value apart."""
    inner = inner_width(model)
    found = [(inner, model.width)] * 3 + [(inner, inner)]
    found += [(4 * inner, inner), (inner, 4 * inner)] * feed_forwards(model)
    if model.bottleneck is not None:
        found += [(inner, model.width), (model.width, inner)]
    return found


def adapters(model: Architecture) -> list[tuple[int, int]]:
    """(outputs, inputs) of the linear layers around the blocks."""
    found = []
    if model.factorised is not None:
        found += [(model.width, model.factorised), (model.factorised, model.width)]
    if model.trigram is not None:
        found.append((model.width, 3 * model.trigram))
    return found


def parameters(model: Architecture, vocabulary: int) -> int:
    """Number of parameters, word embeddings (tied with the output) counted once."""
    around = sum(rows * columns + rows for rows, columns in adapters(model))
    tables = vocabulary * output_width(model) + 2 * (model.positions + 1) * model.width
    return model.layers * block_parameters(model) + around + tables + 2 * model.width


def block_parameters(model: Architecture) -> int:
    """Number of parameters of one block."""
    inner, width = inner_width(model), model.width
    linear = sum(rows * columns + rows for rows, columns in block_matrices(model))
    norms = 2 * width + 2 * inner
    if model.bottleneck is not None:
        norms += 2 * inner * feed_forwards(model)  # one for each further feed-forward, one before the exit
    return linear + norms


def forward(model: Architecture, rows: float, length: float, visible: float = 0.0) -> Work:
    """One forward pass up to the output projection.

    Args:
        model: its architecture.
        rows, length: of the batch, padding included.
        visible: blocks whose attention is written out, because an objective looks at it.
    """
    return around(model, rows, length) + blocks(model, rows, length, visible) * model.layers


def around(model: Architecture, rows: float, length: float) -> Work:
    """Embeddings, adapters and the final norm."""
    tokens = rows * length
    flops = 2.0 * tokens * sum(rows * columns for rows, columns in adapters(model))
    return Work(flops, 5.0 * tokens * model.width, 20.0)


def blocks(model: Architecture, rows: float, length: float, visible: float = 0.0) -> Work:
    """One block; ``visible`` of ``model.layers`` such blocks have their attention written out."""
    tokens, inner = rows * length, inner_width(model)
    linear = 2.0 * tokens * sum(rows * columns for rows, columns in block_matrices(model))
    share = visible / model.layers if model.layers else 0.0
    extra = feed_forwards(model) - 1
    wide = 4 * model.width if model.bottleneck is None else 3 * model.width + 4 * inner
    written = tokens * (wide + 12 * inner + 10 * inner * extra)
    seen = tokens * length * model.heads
    return Work(
        linear + attention(model, rows, length),
        written + seen * (1 + 5 * share),
        16.0 + 6 * share + 5 * extra,
    )


def attention(model: Architecture, rows: float, length: float) -> float:
    """Operations of the two products of one block's attention."""
    return 4.0 * rows * length * length * inner_width(model)


def backward(
    model: Architecture, rows: float, length: float, visible: float = 0.0, depth: float | None = None
) -> Work:
    """The backward pass of :func:`forward`.

    Args:
        depth: blocks that the gradient goes through; ``None``: all.
    """
    deep = model.layers if depth is None else depth
    share = visible / model.layers if model.layers else 0.0
    fused = (FUSED_BACKWARD - 2) * (1 - share) * attention(model, rows, length)
    return (around(model, rows, length) + blocks(model, rows, length, visible) * deep) * 2 + Work(
        fused * deep
    )


def word_logits(positions: float, vocabulary: int, width: int, trained: bool) -> Work:
    """Logits over a vocabulary at some positions, with both gradients where they are ``trained``."""
    forward_flops = 2.0 * positions * vocabulary * width
    return Work(forward_flops * (3 if trained else 1), positions * vocabulary * (5 if trained else 2), 12.0)


def update(model: Architecture, vocabulary: int, optimiser: Optimiser) -> Work:
    """One step of the optimiser, clipping included."""
    count = parameters(model, vocabulary)
    work = Work(0.0, _ADAMW_ELEMENTS * float(count), 60.0)
    return work + orthogonalised(block_matrices(model) * model.layers, optimiser)


def orthogonalised(matrices: list[tuple[int, int]], optimiser: Optimiser) -> Work:
    """What Muon makes of the gradients of these (outputs, inputs); nothing where all are AdamW's."""
    if optimiser.muon is None:
        return NOTHING
    steps, shapes = optimiser.muon.newton_schulz_steps, len(set(matrices))
    flops = sum(steps * _newton_schulz(min(shape), max(shape)) for shape in matrices)
    return Work(flops, 0.0, shapes * (steps * _NEWTON_SCHULZ_PRODUCTS + 6) + 6.0 * len(matrices))


def _newton_schulz(short: int, long: int) -> float:
    """Operations of one iteration: a Gram matrix, its square, and the product with the matrix."""
    return 4.0 * short * short * long + 2.0 * short**3
