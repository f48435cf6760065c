"""Hard losses that all model families share."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.models.features import Totals, WordLogits


class WordTargets(Protocol):
    """What a batch says about its gold words."""

    @property
    def targets(self) -> Tensor:
        """int64 [B, S], the word to predict at each position."""
        ...

    @property
    def predicted(self) -> Tensor:
        """bool [B, S], where there is one."""
        ...

    @property
    def totals(self) -> Totals:
        """Denominators of the global batch."""
        ...


def language_model_loss(logits: WordLogits, batch: WordTargets) -> Tensor:
    """Cross-entropy of the predicted words, one number per row whose mean is the batch's loss.

    A row's number is its summed loss times rows / predicted words of the global batch, so that
    the mean over rows is the mean over words, however the batch is split.
    """
    where = batch.predicted
    losses = F.cross_entropy(predicted_logits(logits, where), batch.targets[where], reduction="none")
    row = where.nonzero()[:, 0]
    sums = losses.new_zeros(len(where)).index_add(0, row, losses)
    return sums * (batch.totals.rows / max(1, batch.totals.predicted))


def predicted_logits(logits: WordLogits, where: Tensor) -> Tensor:
    """Logits [N, V] at the true positions of ``where`` [B, S], float32 or wider."""
    hidden = logits.hidden[where]
    bias = None if logits.bias is None else logits.bias.to(hidden.dtype)
    return wide(F.linear(hidden, logits.weight.to(hidden.dtype), bias))


def wide(x: Tensor) -> Tensor:
    """``x`` in float32 if it is narrower."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
