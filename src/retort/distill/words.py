"""Distances between word distributions without ever holding rows x vocabulary of both models.

Logits are multiplied out for a few positions at a time; their gradient is folded into the
student's hidden states and output embedding at once, so each logit lives once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.distill.distances import Distance, Sloped, TargetDistance, wide
from retort.models.features import WordLogits

WORKSPACE_BYTES = 256 * 2**20
"""Memory for one chunk of logits. Chunks are cut by memory, not by a number of rows: small models
get one chunk (no launch overhead), large vocabularies many. About eight tensors of rows x
vocabulary live inside a chunk (logits, log-probabilities and their gradients)."""

_TENSORS_PER_CHUNK = 8


def chunk_rows(vocabulary: int, element_size: int) -> int:
    """Positions per chunk for a vocabulary and a number of bytes per element."""
    return max(1, WORKSPACE_BYTES // (_TENSORS_PER_CHUNK * vocabulary * element_size))


def word_distance(
    student: WordLogits,
    teacher: WordLogits,
    where: Tensor,
    distance: Distance | TargetDistance,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Distance of the two word distributions at the chosen positions.

    Args:
        student: hidden [B, S, D_s], weight [V, D_s].
        teacher: hidden [B, S, D_t], weight [V, D_t]; receives no gradient.
        where: bool [B, S].
        distance: compares [n, V] with [n, V] row by row.
        targets: int64 [B, S], the words that stand there, for a distance that asks.
        weights: [N], what the values are multiplied by. Weights that are given here are folded in at once;
            values that are weighted afterwards cost their logits a second time.

    Returns:
        [N], one value per true position of ``where`` in row-major order.
    """
    hidden, weight = student.hidden[where], student.weight
    bias = student.bias if student.bias is not None else hidden.new_zeros(())
    if not torch.is_grad_enabled():  # the function below cannot see it, and would compute gradients
        hidden, weight, bias = hidden.detach(), weight.detach(), bias.detach()
    with torch.no_grad():
        reference = WordLogits(teacher.hidden[where], teacher.weight, teacher.bias)
    words = None if targets is None else targets[where]
    result = _ChunkedDistance.apply(hidden, weight, bias, _Compared(reference, distance, words, weights))
    assert isinstance(result, Tensor)
    return result


@torch.no_grad()
def word_statistic(
    model: WordLogits, where: Tensor, targets: Tensor, statistic: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """What a model alone says of the words that stand at the chosen positions, chunk by chunk.

    Args:
        model: hidden [B, S, D], weight [V, D].
        where: bool [B, S]; ``targets``: int64 [B, S].
        statistic: of logits [n, V] and words [n]: [n].

    Returns:
        [N], in row-major order.
    """
    hidden, words = model.hidden[where], targets[where]
    rows = chunk_rows(model.weight.shape[0], max(4, hidden.element_size()))
    values = hidden.new_empty(len(hidden), dtype=_loss_dtype(hidden))
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        values[part] = statistic(_linear(hidden[part], model.weight, model.bias), words[part])
    return values


def gold_losses(logits: WordLogits, targets: Tensor, where: Tensor) -> Tensor:
    """Cross-entropy of gold words at the chosen positions, to be looked at: without a gradient.

    Args:
        logits: hidden [B, S, D], weight [V, D].
        targets: int64 [B, S], the gold words.
        where: bool [B, S].

    Returns:
        [N], one value per true position of ``where`` in row-major order, float32 or wider.
    """
    return word_statistic(logits, where, targets, _surprise)


def _surprise(logits: Tensor, words: Tensor) -> Tensor:
    return F.cross_entropy(wide(logits), words, reduction="none")


@dataclass(frozen=True)
class _Compared:
    """What a student is compared with: a teacher, by a distance, with words and weights [N]."""

    teacher: WordLogits
    distance: Distance | TargetDistance
    words: Tensor | None
    weights: Tensor | None

    def at(self, part: slice) -> Distance:
        """The distance at some of the positions."""
        if not isinstance(self.distance, TargetDistance):
            return self.distance
        assert self.words is not None, "a distance that asks for words is told none"
        return self.distance.at(self.words[part])

    def logits(self, part: slice) -> Tensor:
        """The teacher's logits there."""
        return _linear(self.teacher.hidden[part], self.teacher.weight, self.teacher.bias)


def _linear(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None and bias.dim() == 0:
        bias = None
    return F.linear(hidden, weight.to(hidden.dtype), None if bias is None else bias.to(hidden.dtype))


class _ChunkedDistance(torch.autograd.Function):
    """Row-wise distance of two factorised logit matrices, chunk by chunk.

    The forward pass computes each chunk's gradient with respect to its logits and folds it into
    per-row gradients of the hidden states and, assuming that every row will get the same
    upstream gradient, into one gradient of the weight. That assumption is checked in the
    backward pass; where it fails (per-example weights) the weight's gradient is recomputed.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, compared: _Compared) -> Tensor:
        needs_grad = any(ctx.needs_input_grad[:3])
        rows = chunk_rows(weight.shape[0], max(4, hidden.element_size()))
        values = hidden.new_empty(hidden.shape[0], dtype=_loss_dtype(hidden))
        grads = _Gradients(hidden, weight, bias) if needs_grad else None
        for start in range(0, hidden.shape[0], rows):
            part = slice(start, start + rows)
            value, slope = _chunk(hidden[part], weight, bias, compared, part, needs_grad)
            values[part] = value
            if grads is not None and slope is not None:
                grads.add(part, slope, hidden[part], weight)
        if grads is not None:
            ctx.save_for_backward(hidden, weight, bias, *grads.tensors())
            ctx.compared, ctx.rows = compared, rows
        return values

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """Scale the folded gradients by the upstream gradient."""
        (grad,) = upstream
        hidden, weight, bias, by_row, by_weight, by_bias = ctx.saved_tensors
        by_row = by_row * grad[:, None].to(by_row.dtype)
        if grad.numel() and bool((grad == grad[0]).all()):
            return by_row, by_weight * grad[0], _only_real(bias, by_bias * grad[0]), None
        grads = _Gradients(hidden, weight, bias)
        for start in range(0, hidden.shape[0], ctx.rows):
            part = slice(start, start + ctx.rows)
            _, slope = _chunk(hidden[part], weight, bias, ctx.compared, part, True)
            assert slope is not None
            grads.add(part, slope * grad[part, None].to(slope.dtype), hidden[part], weight)
        return by_row, grads.by_weight, _only_real(bias, grads.by_bias), None


class _Gradients:
    """Accumulators for the gradients of hidden states, weight and bias."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor) -> None:
        self.by_row = torch.empty_like(hidden)
        self.by_weight = torch.zeros_like(weight)
        self.by_bias = torch.zeros_like(bias)

    def add(self, part: slice, slope: Tensor, hidden: Tensor, weight: Tensor) -> None:
        """Fold in the gradient ``slope`` [n, V] of a chunk's logits."""
        slope = slope.to(hidden.dtype)
        self.by_row[part] = slope @ weight.to(hidden.dtype)
        if hidden.dtype == self.by_weight.dtype:
            self.by_weight.addmm_(slope.T, hidden)  # without a second tensor of the table's size
        else:
            self.by_weight += (slope.T @ hidden).to(self.by_weight.dtype)
        if self.by_bias.dim():
            self.by_bias += slope.sum(0).to(self.by_bias.dtype)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """All three, in the order of the inputs."""
        return self.by_row, self.by_weight, self.by_bias


def _chunk(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    compared: _Compared,
    part: slice,
    needs_grad: bool,
) -> tuple[Tensor, Tensor | None]:
    """Values [n] of one chunk and, if asked for, the gradient of their sum by the logits [n, V]."""
    distance, weights = compared.at(part), compared.weights
    with torch.no_grad():
        value, slope = _compare(distance, _linear(hidden, weight, bias), compared.logits(part), needs_grad)
        if weights is None:
            return value, slope
        weights = weights[part].to(value.dtype)
        return value * weights, None if slope is None else slope.mul_(weights[:, None])


def _compare(
    distance: Distance, logits: Tensor, target: Tensor, needs_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Values and the gradient of their sum, by the distance's own formula if it has one."""
    if not needs_grad:
        return distance(logits, target), None
    if isinstance(distance, Sloped):
        return distance.with_slope(logits, target)
    with torch.enable_grad():
        logits = logits.requires_grad_()
        value = distance(logits, target)
        (slope,) = torch.autograd.grad(value.sum(), logits)
    return value.detach(), slope


def _loss_dtype(hidden: Tensor) -> torch.dtype:
    return torch.float64 if hidden.dtype == torch.float64 else torch.float32


def _only_real(bias: Tensor, grad: Tensor) -> Tensor | None:
    """A missing bias is passed as a scalar placeholder that gets no gradient."""
    return grad if bias.dim() else None
