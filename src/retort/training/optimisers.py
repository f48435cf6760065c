"""Optimisers and learning-rate curves as the papers used them, and Muon for tiny models."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from retort.runs import Muon as MuonSettings
from retort.runs import Optimiser


def learning_rate_factor(settings: Optimiser, step: int, total: int) -> float:
    """Learning rate as a share of its peak for the update after ``step`` finished ones.

    Linear warm-up from 0 (the very first update changes nothing), then a cosine or linear
    decay to ``floor`` that ends at ``decay`` of the run and stays there (GLM's schedule, as
    in the authors' learning_rates.py).
    """
    decay_steps = settings.decay_share * total
    warmup = settings.warmup * decay_steps
    if warmup > 0 and step <= warmup:
        return step / warmup
    if settings.schedule == "constant":
        return 1.0
    share = min(1.0, (step - warmup) / (decay_steps - warmup))
    falling = (1 + math.cos(math.pi * share)) / 2 if settings.schedule == "cosine" else 1 - share
    return settings.floor + (1 - settings.floor) * falling


def decayed(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies: all matrices and embedding tables, no LayerNorm, no bias."""
    return parameter.dim() >= 2 and "layernorm" not in name.lower()


def hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix of a numbered layer, which Muon is for; T5's table of distances, which
    its first layers hold, is a table and none."""
    in_layer = re.search(r"\.\d+\.", name) is not None and "relative_attention_bias" not in name
    return in_layer and parameter.dim() == 2


Named = Iterable[tuple[str, nn.Parameter]]


def build(settings: Optimiser, named: Named, lenses: Named = ()) -> list[torch.optim.Optimizer]:
    """Optimisers of a student's named parameters and its lenses'; groups carry their peak as ``peak``."""
    together = settings.lenses is None
    everything = [*named, *lenses] if together else named
    parameters = [(name, parameter) for name, parameter in everything if parameter.requires_grad]
    optimisers: list[torch.optim.Optimizer] = []
    if settings.muon is not None:
        hidden = [(n, p) for n, p in parameters if hidden_matrix(n, p)]
        optimisers.append(Muon(hidden, settings.muon))
        chosen = {id(p) for _, p in hidden}
        parameters = [(n, p) for n, p in parameters if id(p) not in chosen]
    groups = _groups(parameters, settings.weight_decay, settings.learning_rate)
    if settings.lenses is not None:
        groups += _groups(list(lenses), settings.lenses.weight_decay, settings.lenses.learning_rate)
    optimisers.append(
        torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=settings.learning_rate,
            betas=settings.betas,
            eps=settings.eps,
            fused=True,
        )
    )
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return optimisers


def _groups(
    parameters: list[tuple[str, nn.Parameter]], weight_decay: float, rate: float
) -> list[dict[str, Any]]:
    # Parameters of which a process holds a share (DTensor) cannot be updated together with whole ones.
    return [
        {
            "params": [p for n, p in parameters if type(p) is kind and decayed(n, p) == decays],
            "weight_decay": weight_decay if decays else 0.0,
            "lr": rate,
        }
        for kind in dict.fromkeys(type(p) for _, p in parameters)
        for decays in (True, False)
    ]


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al., 2024), in batches of equal shapes.

    ``torch.optim.Muon`` treats one matrix at a time, which for matrices of 64 x 64 is all
    overhead, and takes GLM's fused projection for one matrix; here its three thirds are
    orthogonalised apart. (GPT-NeoX fuses query, key and value head by head: there a third is of some heads.)
    """

    def __init__(self, named: list[tuple[str, nn.Parameter]], settings: MuonSettings) -> None:
        self.settings = settings
        self.pieces = [3 if "query_key_value" in name else 1 for name, _ in named]
        super().__init__([parameter for _, parameter in named], {"lr": settings.learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every matrix."""
        (group,) = self.param_groups
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter, pieces in zip(group["params"], self.pieces, strict=True):
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            momentum = state["momentum"].lerp_(parameter.grad, 1 - self.settings.momentum)
            update = parameter.grad.lerp(momentum, self.settings.momentum)
            parameter.mul_(1 - group["lr"] * self.settings.weight_decay)
            for piece, change in zip(parameter.chunk(pieces), update.chunk(pieces), strict=True):
                by_shape[(piece.shape[0], piece.shape[1])].append((piece, change))
        for (rows, columns), members in by_shape.items():
            directions = orthogonalise(
                torch.stack([change for _, change in members]), self.settings.newton_schulz_steps
            )
            scale = group["lr"] * math.sqrt(max(1.0, rows / columns))
            for (piece, _), direction in zip(members, directions, strict=True):
                piece.add_(direction, alpha=-scale)


_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration, chosen by its authors for speed at small singular values."""


def orthogonalise(matrices: Tensor, steps: int) -> Tensor:
    """Replace each matrix of [N, R, C] by about its nearest semi-orthogonal one (Newton-Schulz)."""
    a, b, c = _QUINTIC
    wide = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if wide else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.transpose(1, 2) if wide else x
