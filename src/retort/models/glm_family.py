"""GLM behind the narrow interface: word logits, class scores and hard losses of its batches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.data.batches import Choices, GLMBatch
from retort.models.features import (
    CLASS,
    HARD,
    UNCHANGED,
    WORDS,
    Features,
    Patch,
    Recorder,
    Shape,
    Site,
    WordLogits,
)
from retort.models.glm import GLM, prefix_mask
from retort.models.losses import language_model_loss, predicted_logits, wide

if TYPE_CHECKING:
    from retort.distill.vocabulary import VocabularyMap

FILLER_SCORE = -10000.0
"""Added to the score of candidates that only fill up a batch, in the hard loss alone."""


class GLMFamily:
    """A GLM, possibly with a compressed vocabulary.

    With a vocabulary map the batch's word ids are the teacher's; they are mapped to the
    student's rows on the way in (inputs, targets and verbalizers alike).
    """

    def __init__(self, module: GLM, vocabulary: VocabularyMap | None = None) -> None:
        self._module = module
        self.vocabulary = vocabulary

    @property
    def module(self) -> GLM:
        """The model itself."""
        return self._module

    @property
    def shape(self) -> Shape:
        """Depth, width, heads and vocabulary."""
        config = self.module.config
        return Shape(config.layers, config.width, config.heads, config.vocab)

    def blocks(self) -> list[torch.nn.Module]:
        """The transformer blocks."""
        return list(self._module.transformer.layers)

    def stand_ins(self) -> Tensor | None:
        """Each word, or the kept one that stands in for it."""
        return None if self.vocabulary is None else self.vocabulary.stand_ins()

    def observe(self, batch: GLMBatch, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Run the model once and return the tensors at ``want``."""
        if self.vocabulary is not None:
            batch = map_words(batch, self.vocabulary)
        if patch.words is not None:
            batch = replace(batch, tokens=patch.words[batch.tokens])
        record = Recorder(want, patch)
        mask = prefix_mask(batch.sep, batch.tokens.shape[1])
        hidden = self.module(batch.tokens, batch.positions, mask, record)
        logits = WordLogits(hidden, self.module.word_embeddings.weight)
        values = dict(record.values)
        if WORDS in want:
            values[WORDS] = logits
        if batch.choices is None:
            if HARD in want:
                values[HARD] = language_model_loss(logits, batch)
        elif CLASS in want or HARD in want:
            scores = class_scores(logits, batch)
            values[CLASS] = scores
            if HARD in want:
                values[HARD] = class_loss(scores, batch.choices)
        missing = want - values.keys()
        if missing:
            raise ValueError(f"GLM has no site {sorted(missing)[0]}")
        return Features(values, batch.valid, batch.predicted, batch.example_of_row)


def map_words(batch: GLMBatch, vocabulary: VocabularyMap) -> GLMBatch:
    """Replace word ids by the rows of a compressed vocabulary."""
    rows = vocabulary.substitute
    choices = batch.choices
    if choices is not None and choices.verbalizers is not None:
        choices = replace(choices, verbalizers=rows[choices.verbalizers])
    return replace(batch, tokens=rows[batch.tokens], targets=rows[batch.targets], choices=choices)


def class_scores(logits: WordLogits, batch: GLMBatch) -> Tensor:
    """[E, C] scores: verbalizer logits at the mask, or log-probabilities of whole answers."""
    choices = batch.choices
    assert choices is not None
    if choices.verbalizers is not None:
        at_mask = logits.hidden[torch.arange(len(batch.sep), device=batch.sep.device), batch.sep]
        return wide(F.linear(at_mask, logits.weight[choices.verbalizers].to(at_mask.dtype)))
    where = batch.predicted
    gained = -F.cross_entropy(predicted_logits(logits, where), batch.targets[where], reduction="none")
    row = where.nonzero()[:, 0]
    sums = gained.new_zeros(len(where)).index_add(0, row, gained)
    if choices.mean_over_tokens:
        sums = sums / where.sum(1)
    return sums[choices.row]


def class_loss(scores: Tensor, choices: Choices) -> Tensor:
    """[E] cross-entropy over candidates; for WSC plus -log p of the right candidate ("mix")."""
    loss = F.cross_entropy(
        scores + FILLER_SCORE * (~choices.real).to(scores.dtype), choices.label, reduction="none"
    )
    if not choices.mean_over_tokens:
        return loss
    return loss - scores.gather(1, choices.label[:, None])[:, 0]
