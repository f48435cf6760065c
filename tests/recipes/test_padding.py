"""What stands on padding, and how much of it there is, touches only the terms that are named here."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_samples import (
    POSITIONS,
    SAMPLES,
    VOCAB,
    assert_same,
    awake,
    batch_of,
    models_for,
    outcome,
    parts_over_time,
    rewritten,
)

EVERY_STEP = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)

ALL_POSITIONS = "a mean over all positions, pads included"
ROWS_OF_PADS = "attention rows of pads are in the mean"
FEELS_PADDING = {
    "TinyBERT-0": {"0-scores": ROWS_OF_PADS, "1-hidden": ALL_POSITIONS},
    "TinyBERT-1": {"0-scores": ROWS_OF_PADS, "1-hidden": ALL_POSITIONS},
    "MGSKD-0": {"0-scores": ROWS_OF_PADS, "1-hidden": ALL_POSITIONS},
    "MGSKD-1": {"1-hidden": "random cuts of the padded length: spans may hold pads"},
    "SID-1": {"0-scores": ROWS_OF_PADS},
    "MobileBERT-0": {"0-scores": ROWS_OF_PADS, "1-hidden": ALL_POSITIONS},
    "MiniLM-0": {"0-probs": ROWS_OF_PADS, "1-v": "products of pads are in the mean"},
    "MiniLMv2-0": dict.fromkeys(("0-q", "1-k", "2-v"), "products of pads are in the mean"),
    "RAIL-KD-unequal-0": {"0-probs": ROWS_OF_PADS, "1-v": "products of pads are in the mean"},
    "RAIL-KD-1": {"2-hidden": "tokens are averaged over all positions"},
    "RAIL-KD-unequal-1": {"2-hidden": "tokens are averaged over all positions"},
    "LRC-BERT-1": {"0-hidden": "every position is a slot of the cosine"},
    "LRC-BERT-2": {"0-hidden": "every position is a slot of the cosine"},
    "CKD-1": {"3-hidden": "the window of the last tokens reaches into padding"},
    "MT-BERT-0": {"2-hidden": ALL_POSITIONS},
}
"""Terms that other pads change, as the authors ran them."""


def with_other_padding(batch, columns):
    """More padding, and anything written on it."""
    g = torch.Generator().manual_seed(5)

    def wider(tensor, most):
        padded = torch.nn.functional.pad(tensor, (0, columns))
        if most is None:
            return padded
        valid = torch.nn.functional.pad(batch.valid, (0, columns))
        anything = torch.randint(0, most, padded.shape, generator=g)
        return torch.where(valid if tensor.dim() == 2 else valid[:, None], padded, anything)

    return replace(
        batch,
        tokens=wider(batch.tokens, VOCAB),
        targets=wider(batch.targets, VOCAB),
        positions=wider(batch.positions, POSITIONS),
        predicted=wider(batch.predicted, None),
        valid=wider(batch.valid, None),
    )


@EVERY_STEP
def test_padding_changes_nothing_but_the_terms_that_are_named(sample):
    models = models_for(sample)
    objective = rewritten(sample, {"masked-means": "fixed"})
    changed = set()
    for kind in sample.kinds:
        batch = batch_of(kind, 4)
        before = parts_over_time(models, models.bind(objective), batch)
        after = parts_over_time(models, models.bind(objective), with_other_padding(batch, 3))
        assert before.keys() == after.keys()
        for name in before:
            pairs = zip(before[name], after[name], strict=True)
            if not all(torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in pairs):
                changed.add(name)
    assert changed == FEELS_PADDING.get(sample.name, {}).keys()


@EVERY_STEP
def test_padding_changes_no_gradient_of_the_other_terms(sample):
    named = FEELS_PADDING.get(sample.name, {})
    objective = rewritten(sample, {"masked-means": "fixed"})
    terms = tuple(t for i, t in enumerate(objective.terms) if f"{i}-{t.site}" not in named)
    models = models_for(sample)
    for kind in sample.kinds:
        batch = batch_of(kind, 4)
        for clock in awake(models, terms):
            found, expected = (
                outcome(models, replace(objective, terms=terms), [each], clock)
                for each in (batch, with_other_padding(batch, 3))
            )
            assert_same(found, expected, 1e-10)
