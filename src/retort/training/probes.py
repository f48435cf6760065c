"""Distances between a student's and a teacher's features while the student pretrains.

The raw material of the question whether features get closer as the loss falls: measured on one fixed
batch that the student is not trained on, for every kind of feature that the two shapes allow to compare.
GLMD's authors measured on the current batch (GLMKD: distill_model.py, analysis_inter_vars). There, easy and
hard batches move loss and distances alike, which correlates them however the student stands; on a fixed
batch only the student changes.

What is laid side by side is a value, a :class:`View`: layers of which stacks, their projections, and what the
models say in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retort.distill.distances import KL, MSE, Cosine
from retort.distill.layermaps import BlockEnds, LayerMap, Uniform
from retort.distill.schedules import Clock
from retort.distill.words import word_distance
from retort.models.features import CLASS, HARD, WORDS, Family, Features, Shape, Site, WordLogits

PROBES = 30
"""Measurements per run: enough for a rank correlation, cheap beside the training."""
PROBE_ROWS = 32
"""Samples of the fixed batch, if the micro-batches of the training are not smaller still."""

_NO_CLOCK = Clock(0, 1)


@dataclass(frozen=True)
class View:
    """What of two models is compared.

    Attributes:
        layers: which layers of each stack meet.
        stacks: sites of the stacks; one that the models lack is left out.
        projections: sites inside the blocks of the first stack.
        answer: what the models say: words, or classes.
        temperature: of the divergence of answers.
        deeper: whether the map has a place for a student with more layers than its teacher.
        geometry: measure ``cosine`` and ``procrustes``, too.
    """

    layers: LayerMap
    stacks: tuple[str, ...] = ("hidden",)
    projections: tuple[str, ...] = ()
    answer: Site = WORDS
    temperature: float = 1.0
    deeper: bool = False
    geometry: bool = False

    def places(self, student: Shape, teacher: Shape) -> list[tuple[Site, Site]]:
        """The student's and the teacher's site of each comparison."""
        found = []
        for number, stack in enumerate(self.stacks):
            depths = student.depth(stack), teacher.depth(stack)
            for pair in self.layers.pairs(_NO_CLOCK, *depths) if all(depths) else ():
                mine, theirs = pair.student[0], pair.teacher[0]
                inside = self.projections if mine and not number else ()
                found += [(Site(name, mine), Site(name, theirs)) for name in (stack, *inside)]
        return found


GLM_VIEW = View(Uniform(embedding=True), projections=("scores", "q", "k", "v"), temperature=15.0)
"""GLMD's: each layer with the last of its segment, words at the temperature of L_sp."""

TEXT_VIEW = View(BlockEnds(embedding=True), ("hidden", "encoder"), deeper=True, geometry=True)
"""Of transformers models that predict words, whatever their depths and widths: the layers that CKA's authors
compare. Attention scores are left out: to show them, a model's attention would be exchanged in training."""

CLASS_VIEW = View(BlockEnds(embedding=True), answer=CLASS, deeper=True, geometry=True)
"""Of transformers models that classify."""


class Probe:
    """Lays a student beside its teacher on one fixed batch, again and again.

    Args:
        student: the shape that it has now is the one that is compared.
        teacher: looked at once.
        batch: one that the student is not trained on, on the models' device: of the corpus, or validation
            examples of a task.
        kept: word ids that a student with a compressed vocabulary keeps, in the order of its rows.
        view: what is compared.
    """

    def __init__(
        self, student: Family, teacher: Family, batch: Any, kept: Tensor | None, view: View = GLM_VIEW
    ) -> None:
        self._batch, self._view = batch, view
        self._places = view.places(student.shape, teacher.shape)
        self._theirs = _look(
            teacher, batch, frozenset({theirs for _, theirs in self._places} | {view.answer})
        )
        answer: WordLogits | Tensor = self._theirs[view.answer]
        self._answer = answer.keep(kept) if isinstance(answer, WordLogits) and kept is not None else answer
        self._wanted = frozenset({mine for mine, _ in self._places} | {view.answer, HARD})

    @torch.no_grad()
    def measure(self, student: Family) -> dict[str, float]:
        """The student's own loss and distances by name.

        ``lm_loss`` is its mean cross-entropy of gold words (``class_loss`` that of gold classes, of gold
        numbers the squared error). Distances are ``<distance>:<site>[:<student layer>]``. At real positions,
        for all hidden states and projections: ``cka`` (1 - linear CKA), ``gram_mse`` and ``gram_kl`` (of the
        relations X X^T / sqrt(D) among a row's positions), in a view of their geometry ``procrustes``. Where
        shapes agree, attention scores included: ``mse`` and ``kl`` (of softmaxes over the last dimension), of
        states' geometry ``cosine`` (1 - cosine). For words and classes: ``kl`` at the view's temperature
        (15: GLMD's L_sp), of a single score ``mse``.
        """
        ours = _look(student, self._batch, self._wanted)
        found = self._answers(ours)
        for mine, theirs in self._places:
            valid = ours.attended if mine.name == "encoder" else ours.valid
            assert valid is not None
            here = _distances(mine.name, ours[mine], self._theirs[theirs], valid)
            if self._view.geometry:
                here |= _geometry(ours[mine], self._theirs[theirs], valid)
            found |= {f"{distance}:{mine.name}:{mine.layer}": value for distance, value in here.items()}
        return dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))

    def _answers(self, ours: Features) -> dict[str, Tensor]:
        """The student's loss, and how far what it says is from what the teacher says."""
        loss, said, theirs = ours[HARD].mean(), ours[self._view.answer], self._answer
        by = KL(self._view.temperature)
        if isinstance(theirs, WordLogits):
            words = word_distance(said, theirs, ours.valid, by)
            return {"lm_loss": loss, "kl:words": words.mean()}
        if theirs.shape[-1] == 1:
            return {"class_loss": loss, "mse:class": MSE()(said, theirs).mean()}
        return {"class_loss": loss, "kl:class": by(said, theirs).mean()}


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Linear centred kernel alignment of [N, D_x] and [N, D_y], 0 to 1 (Kornblith et al., 2019, eq. 3)."""
    # Not the squared :class:`retort.distill.alignment.CKA` in float32: squaring a root, it rounds otherwise,
    # so that last digits of measured distances would change. Its tests compare it with this one.
    x = x - x.mean(0)
    y = y - y.mean(0)
    shared = (x.T @ y).square().sum()
    return shared / ((x.T @ x).norm() * (y.T @ y).norm()).clamp_min(torch.finfo(x.dtype).tiny)


def procrustes(x: Tensor, y: Tensor) -> Tensor:
    """1 - the alignment of [N, D_x] and [N, D_y] by the best rotation (Schönemann, 1966), 0 to 1.

    The alignment is ||X^T Y||_* / (||X||_F ||Y||_F) of centred features. As with CKA, rotations and scales do
    not count; but CKA weighs directions by the square of their variance, so few decide, this by variance.
    """
    x, y = (z.double() - z.double().mean(0) for z in (x, y))
    shared = torch.linalg.matrix_norm(x.T @ y, "nuc")
    return 1 - shared / (x.norm() * y.norm()).clamp_min(torch.finfo(x.dtype).tiny)


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


def shapes_compare(student: Shape, teacher: Shape, view: View = GLM_VIEW) -> bool:
    """Whether a student can be laid beside a teacher layer by layer at all."""
    return view.deeper or student.layers <= teacher.layers


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


def _geometry(mine: Tensor, other: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Distances of hidden states that rotations of either leave as they are, or that compare directions."""
    found = {"procrustes": procrustes(mine[valid], other[valid]).to(mine.dtype)}
    if mine.shape == other.shape:
        found["cosine"] = Cosine()(mine, other)[valid].mean()
    return found
