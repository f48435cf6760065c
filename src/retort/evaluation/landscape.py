"""Slices through the loss around a trained model, along random directions that are as large as its weights.

After Li et al. (2018), "Visualizing the loss landscape of neural nets": each row of a random direction (the
weights that make one feature, or the vector of one word) has the norm of the same row of the model, so that
models whose weights differ in scale can be laid side by side. Biases and parameters of norms stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Direction = Mapping[str, Tensor]
"""By name of the parameter; what is not there is not moved."""


def direction(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """A random direction, row by row as long as the weights.

    Shared parameters move once. Before rows are scaled, models of equal shapes have equal directions.

    Args:
        module: whose parameters; those of one dimension are left out.
        seed: of the draw, which is made on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, weights in module.named_parameters():
        if weights.ndim > 1:
            drawn = torch.randn(weights.shape, generator=generator, dtype=torch.float32).to(weights)
            found[name] = drawn * (_rows(weights.detach()) / _rows(drawn))
    return found


def _rows(weights: Tensor) -> Tensor:
    """Norm of each row, with as many dimensions as there were."""
    return torch.linalg.vector_norm(weights, dim=tuple(range(1, weights.ndim)), keepdim=True)


@contextmanager
def moved(module: nn.Module, along: Direction, by: float) -> Iterator[None]:
    """The model ``by`` times a direction away; afterwards it is as it was, bit by bit, whatever happens."""
    named = dict(module.named_parameters())
    kept = {name: named[name].detach().clone() for name in along}
    try:
        with torch.no_grad():
            for name, step in along.items():
                named[name].add_(step, alpha=by)
        yield
    finally:
        with torch.no_grad():
            for name, before in kept.items():
                named[name].copy_(before)


def losses_along(
    module: nn.Module, along: Direction, points: Sequence[float], loss: Callable[[], float]
) -> list[float]:
    """The loss at points of a line through the model.

    Args:
        module: what ``loss`` computes with.
        along: the direction; ``points``: multiples of it.
        loss: of the model as it is when this is called.
    """
    found = []
    for point in points:
        with moved(module, along, point):
            found.append(loss())
    return found
