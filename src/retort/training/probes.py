"""Distances between a student's and a teacher's features while the student pretrains.

The raw material of the question whether features get closer as the loss falls: measured on the
current batch, for every kind of feature that the two shapes allow to compare.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from retort.distill.distances import KL, MSE
from retort.distill.layermaps import Uniform
from retort.distill.schedules import Clock
from retort.distill.words import word_distance
from retort.models.features import WORDS, Family, Features, Shape, Site, WordLogits

PROBES = 30
"""Measurements per run: enough for a rank correlation, cheap beside the training."""

_TEMPERATURE = 15.0
_LAYERED = ("scores", "q", "k", "v")


@torch.no_grad()
def feature_distances(student: Family, teacher: Family, batch: Any, kept: Tensor | None) -> dict[str, float]:
    """Distances by name ``<distance>:<site>[:<student layer>]``.

    Direct squared differences where shapes agree, squared differences of self-relations
    X X^T / sqrt(H) and linear CKA for all hidden states and projections, temperature-15 KL for words.
    """
    pairs = Uniform(embedding=True).pairs(Clock(0, 1), student.shape.layers, teacher.shape.layers)
    ours, theirs = (
        _look(student, batch, [p.student[0] for p in pairs]),
        _look(teacher, batch, [p.teacher[0] for p in pairs]),
    )
    valid = ours.valid
    found = {"kl:words": _words(ours, theirs, kept)}
    for pair in pairs:
        layer = pair.student[0]
        for name in ("hidden", *(_LAYERED if layer else ())):
            mine, other = ours[Site(name, layer)], theirs[Site(name, pair.teacher[0])]
            if name == "scores":
                if mine.shape == other.shape:
                    found[f"mse:scores:{layer}"] = MSE()(mine, other).mean().item()
                    found[f"kl:scores:{layer}"] = KL()(mine, other).mean().item()
                continue
            found[f"cka:{name}:{layer}"] = 1 - linear_cka(mine[valid], other[valid]).item()
            found[f"gram_mse:{name}:{layer}"] = _gram_mse(mine, other, valid)
            if mine.shape == other.shape:
                found[f"mse:{name}:{layer}"] = MSE()(mine, other)[valid].mean().item()
    return found


def probe_sites(layers: list[int]) -> frozenset[Site]:
    """Everything that :func:`feature_distances` reads, for the given layers of a model."""
    sites = {Site("hidden", layer) for layer in layers}
    sites |= {Site(name, layer) for name in _LAYERED for layer in layers if layer}
    return frozenset(sites | {WORDS})


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Linear centred kernel alignment of [N, D_x] and [N, D_y], 0 to 1 (Kornblith et al., 2019, eq. 3)."""
    x = x - x.mean(0)
    y = y - y.mean(0)
    shared = (x.T @ y).square().sum()
    return shared / ((x.T @ x).norm() * (y.T @ y).norm()).clamp_min(torch.finfo(x.dtype).tiny)


def shapes_compare(student: Shape, teacher: Shape) -> bool:
    """Whether a student can be laid beside a teacher layer by layer at all."""
    return student.layers <= teacher.layers


def _look(family: Family, batch: Any, layers: list[int]) -> Features:
    training = family.module.training
    family.module.eval()
    seen = family.observe(batch, probe_sites(layers))
    family.module.train(training)
    return seen


def _words(ours: Features, theirs: Features, kept: Tensor | None) -> float:
    target: WordLogits = theirs[WORDS]
    if kept is not None:
        target = target.keep(kept)
    return word_distance(ours[WORDS], target, ours.valid, KL(_TEMPERATURE)).mean().item()


def _gram_mse(mine: Tensor, other: Tensor, valid: Tensor) -> float:
    """Mean squared difference of the token-token products of each row, over real token pairs."""
    ours = mine @ mine.transpose(1, 2) / mine.shape[-1] ** 0.5
    theirs = other @ other.transpose(1, 2) / other.shape[-1] ** 0.5
    both = valid[:, :, None] & valid[:, None, :]
    return (ours - theirs).square()[both].mean().item()
