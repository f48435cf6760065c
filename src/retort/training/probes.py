"""Distances between a student's and a teacher's features while the student pretrains.

The raw material of the question whether features get closer as the loss falls: measured on one fixed
batch that the student is not trained on, for every kind of feature that the two shapes allow to compare.
GLMD's authors measured on the current batch (GLMKD: distill_model.py, analysis_inter_vars). There, easy and
hard batches move loss and distances alike, which correlates them however the student stands; on a fixed
batch only the student changes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from retort.distill.distances import KL, MSE
from retort.distill.layermaps import Uniform
from retort.distill.schedules import Clock
from retort.distill.words import word_distance
from retort.models.features import HARD, WORDS, Family, Features, Shape, Site, WordLogits

PROBES = 30
"""Measurements per run: enough for a rank correlation, cheap beside the training."""
PROBE_ROWS = 32
"""Samples of the fixed batch, if the micro-batches of the training are not smaller still."""

_TEMPERATURE = 15.0
_LAYERED = ("scores", "q", "k", "v")


class Probe:
    """Lays a student beside its teacher on one fixed batch, again and again.

    Args:
        student: the shape that it has now is the one that is compared.
        teacher: looked at once.
        batch: a pretraining batch on the models' device.
        kept: word ids that a student with a compressed vocabulary keeps, in the order of its rows.
    """

    def __init__(self, student: Family, teacher: Family, batch: Any, kept: Tensor | None) -> None:
        self._batch = batch
        pairs = Uniform(embedding=True).pairs(Clock(0, 1), student.shape.layers, teacher.shape.layers)
        self._layers = [(pair.student[0], pair.teacher[0]) for pair in pairs]
        self._theirs = _look(teacher, batch, probe_sites([theirs for _, theirs in self._layers]))
        words: WordLogits = self._theirs[WORDS]
        self._words = words if kept is None else words.keep(kept)

    @torch.no_grad()
    def measure(self, student: Family) -> dict[str, float]:
        """``lm_loss``, the student's mean cross-entropy of gold words, and distances by name.

        Names are ``<distance>:<site>[:<student layer>]``. At real positions, for all hidden states and
        projections: ``cka`` (1 - linear CKA), ``gram_mse`` and ``gram_kl`` (of the relations
        X X^T / sqrt(D) among a row's positions). Where shapes agree, attention scores included: ``mse`` and
        ``kl`` (of softmaxes over the last dimension). For words: ``kl`` at temperature 15, GLMD's L_sp.
        """
        ours = _look(student, self._batch, probe_sites([mine for mine, _ in self._layers]) | {HARD})
        words = word_distance(ours[WORDS], self._words, ours.valid, KL(_TEMPERATURE))
        found = {"lm_loss": ours[HARD].mean(), "kl:words": words.mean()}
        for mine, theirs in self._layers:
            for name in ("hidden", *(_LAYERED if mine else ())):
                here = _distances(name, ours[Site(name, mine)], self._theirs[Site(name, theirs)], ours.valid)
                found |= {f"{distance}:{name}:{mine}": value for distance, value in here.items()}
        return dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))


def probe_sites(layers: list[int]) -> frozenset[Site]:
    """All features that are compared, for the given layers of a model."""
    sites = {Site("hidden", layer) for layer in layers}
    sites |= {Site(name, layer) for name in _LAYERED for layer in layers if layer}
    return frozenset(sites | {WORDS})


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Linear centred kernel alignment of [N, D_x] and [N, D_y], 0 to 1 (Kornblith et al., 2019, eq. 3)."""
    # Not the squared :class:`retort.distill.alignment.CKA` in float32: squaring a root, it rounds otherwise,
    # so that last digits of measured distances would change. Its tests compare it with this one.
    x = x - x.mean(0)
    y = y - y.mean(0)
    shared = (x.T @ y).square().sum()
    return shared / ((x.T @ x).norm() * (y.T @ y).norm()).clamp_min(torch.finfo(x.dtype).tiny)


def relation_distances(x: Tensor, y: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of the relations X X^T / sqrt(D) among the real positions of each row.

    Args:
        x: the student's [B, S, D_x]; ``y``: the teacher's [B, S, D_y].
        valid: bool [B, S], where positions are real.

    Returns:
        The mean squared difference over pairs of positions, and KL(teacher || student) of the softmaxes
        over the positions that one is related to, mean over positions.
    """
    pairs = valid[:, :, None] & valid[:, None, :]
    ours, theirs = (z @ z.transpose(1, 2) / z.shape[-1] ** 0.5 for z in (x, y))
    squares = ((ours - theirs).square() * pairs).sum() / pairs.sum()
    # A finite number, far below any relation: with -inf, padding would give 0 * nan.
    never = torch.finfo(x.dtype).min / 2
    ours, theirs = (torch.where(pairs, z, never) for z in (ours, theirs))
    return squares, mean_kl(ours, theirs, valid)


def mean_kl(student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
    """KL(teacher || student) of softmaxes over the last dimension, mean over real positions.

    The same number as :class:`KL` gives, many times faster where probabilities underflow: exp() is slow
    there, softmax is not.

    Args:
        student, teacher: [B, S, ..., D] both.
        valid: bool [B, S].
    """
    ours, theirs = student[valid], teacher[valid]
    change = theirs.log_softmax(-1) - ours.log_softmax(-1)
    return (theirs.softmax(-1) * change).sum(-1).mean()


def shapes_compare(student: Shape, teacher: Shape) -> bool:
    """Whether a student can be laid beside a teacher layer by layer at all."""
    return student.layers <= teacher.layers


@torch.no_grad()
def _look(family: Family, batch: Any, want: frozenset[Site]) -> Features:
    training = family.module.training
    family.module.eval()
    seen = family.observe(batch, want)
    family.module.train(training)
    return seen


def _distances(name: str, mine: Tensor, other: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """All distances between two features of one site, by name."""
    found: dict[str, Tensor] = {}
    if name != "scores":
        found["cka"] = 1 - linear_cka(mine[valid], other[valid])
        found["gram_mse"], found["gram_kl"] = relation_distances(mine, other, valid)
    if mine.shape == other.shape:
        if name == "scores":  # [B, heads, S, S]: positions are queries
            mine, other = mine.transpose(1, 2), other.transpose(1, 2)
        found["mse"] = MSE()(mine, other)[valid].mean()
        found["kl"] = mean_kl(mine, other, valid)
    return found
