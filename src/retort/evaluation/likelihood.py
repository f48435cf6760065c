"""What models think of responses: likelihoods, and how far two models are apart on them.

All are sums over the words of a response and their number, [examples, 2], as
:meth:`retort.evaluation.response_metrics.ResponseScores.plus` takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.data.text_sets import batch_of_prompts
from retort.models.features import WORDS, Family, WordLogits
from retort.models.losses import predicted_logits


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
        rows_at_once: examples of one batch; logits are held for one of them at a time.

    Returns:
        float64 [examples, 2]: sum over the words, and their number.
    """
    found = np.zeros((len(examples), 2))
    for place, targets, (logits,) in _logits((family,), examples, layout, device, rows_at_once):
        found[place] = F.cross_entropy(logits, targets, reduction="sum").item(), len(targets)
    return found


@torch.no_grad()
def response_divergences(
    teacher: Family,
    student: Family,
    examples: Sequence[PromptExample],
    layout: Layout,
    device: torch.device,
    *,
    rows_at_once: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """KL(teacher || student) and KL(student || teacher) on the words of every response, in nats.

    Args:
        teacher, student: causal models over the same vocabulary.
        examples, layout, device, rows_at_once: as for :func:`response_nll`.

    Returns:
        Two arrays as that of :func:`response_nll`.
    """
    forward, reverse = np.zeros((2, len(examples), 2))
    models = (teacher, student)
    for place, targets, dense in _logits(models, examples, layout, device, rows_at_once):
        p, q = (logits.log_softmax(-1) for logits in dense)
        forward[place] = (p.exp() * (p - q)).sum().item(), len(targets)
        reverse[place] = (q.exp() * (q - p)).sum().item(), len(targets)
    return forward, reverse


def _logits(
    families: tuple[Family, ...],
    examples: Sequence[PromptExample],
    layout: Layout,
    device: torch.device,
    rows_at_once: int,
) -> Iterator[tuple[int, Tensor, list[Tensor]]]:
    """The place of every example, its response's words [R] and each model's logits [R, V] for them."""
    modes = [family.module.training for family in families]
    for family in families:
        family.module.eval()
    order = sorted(range(len(examples)), key=lambda index: len(examples[index]))
    try:
        for first in range(0, len(order), rows_at_once):
            places = order[first : first + rows_at_once]
            batch = batch_of_prompts([examples[place] for place in places], layout).to(device)
            words = [family.observe(batch, frozenset({WORDS}))[WORDS] for family in families]
            for row, place in enumerate(places):
                where = batch.predicted[row : row + 1]
                rows = [WordLogits(each.hidden[row : row + 1], each.weight, each.bias) for each in words]
                dense = [predicted_logits(each, where) for each in rows]
                yield place, batch.targets[row][where[0]], dense
    finally:
        for family, mode in zip(families, modes, strict=True):
            family.module.train(mode)
