"""Losses on validation examples: how well a student predicts the words, and how near it is to its teacher."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from retort.distill.distances import KL
from retort.distill.words import gold_losses, word_distance
from retort.errors import InputError
from retort.models.features import WORDS, Family


@torch.no_grad()
def validation_losses(student: Family, teacher: Family | None, batches: Iterable[Any]) -> dict[str, float]:
    """Means over all words that are predicted, so that batches of unequal lengths count by their words.

    What the CKA paper follows over its training on mC4 and C4. Logits are multiplied out a few positions
    at a time. The models' modes are left as found.

    Args:
        student, teacher: predict words of the same vocabulary; ``None``: no teacher is compared.
        batches: on the models' device.

    Returns:
        ``clm``: the student's cross-entropy of gold words in nats; with a teacher ``kl``:
        KL(teacher || student) at temperature 1 at the same positions.

    Raises:
        InputError: nothing is predicted in any batch.
    """
    count, sums = 0, {"clm": 0.0} | ({} if teacher is None else {"kl": 0.0})
    with evaluating(student), evaluating(student if teacher is None else teacher):
        for batch in batches:
            where, want = batch.predicted, frozenset({WORDS})
            ours = student.observe(batch, want)[WORDS]
            count += int(where.sum())
            sums["clm"] += gold_losses(ours, batch.targets, where).double().sum().item()
            if teacher is not None:
                theirs = teacher.observe(batch, want)[WORDS]
                sums["kl"] += word_distance(ours, theirs, where, KL()).double().sum().item()
    if not count:
        raise InputError("validation losses: no word is predicted in any batch; give examples with targets")
    return {name: total / count for name, total in sums.items()}


@contextmanager
def evaluating(family: Family) -> Iterator[None]:
    """Without dropout; afterwards the mode is as it was, whatever happens."""
    training = family.module.training
    family.module.eval()
    try:
        yield
    finally:
        family.module.train(training)
