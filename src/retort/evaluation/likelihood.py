"""How likely responses are to a model, say a teacher to whom its student answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.data.text_sets import batch_of_prompts
from retort.distill.words import gold_losses
from retort.evaluation.validation_losses import evaluating
from retort.models.features import WORDS, Family


@torch.no_grad()
def response_nll(
    family: Family,
    examples: Sequence[PromptExample],
    layout: Layout,
    device: torch.device,
    *,
    rows_at_once: int = 32,
) -> np.ndarray:
    """Negative log-likelihood of every response given its prompt, in nats; the end token is a word, too.

    The model's mode is left as found.

    Args:
        family: a causal model.
        examples: prompts with responses, of students or the references.
        layout: of the model family.
        device: where the model is.
        rows_at_once: examples of one batch; logits are made a few words at a time.

    Returns:
        float64 [examples, 2]: sum over the words, and their number.
    """
    found = np.zeros((len(examples), 2))
    order = sorted(range(len(examples)), key=lambda index: len(examples[index]))
    with evaluating(family):
        for first in range(0, len(order), rows_at_once):
            places = order[first : first + rows_at_once]
            batch = batch_of_prompts([examples[place] for place in places], layout).to(device)
            words = family.observe(batch, frozenset({WORDS}))[WORDS]
            losses = gold_losses(words, batch.targets, batch.predicted).double().cpu()
            counts = batch.predicted.sum(1).cpu()
            sums = [part.sum().item() for part in losses.split(counts.tolist())]
            found[places] = np.stack([sums, counts.numpy()], axis=1)
    return found
