"""A global batch may be split in any way, except where a method is defined on what is seen together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_samples import SAMPLES, assert_same, batch_of, models_for, outcome, rewritten

from retort.data.batches import split
from retort.distill.schedules import Clock
from retort.quirks import LEDGER

PER_MICRO_BATCH = {
    "CKD-1": "means over the real tokens of the micro-batch",
    "DIITO-0": "the next row of the micro-batch gives its activations",
    "LRC-BERT-1": "the other rows of the micro-batch are its negatives",
    "LRC-BERT-2": "the other rows of the micro-batch are its negatives",
    "MGSKD-1": "angles among the rows of the micro-batch, means over its real tokens",
    "RAIL-KD-1": "a sum over the micro-batch",
    "RAIL-KD-unequal-1": "a sum over the micro-batch",
    "RL-KD-1": "the reward is the mean of the micro-batch, and the policy remembers the one before",
    "Uncertainty-0": "the student's rank in the micro-batch chooses the teacher",
}
"""Steps that are defined on what is in memory together, as the authors ran them."""


EVERY_SWITCH = {quirk.id: next(iter(quirk.switches)) for quirk in LEDGER if quirk.switches}
SPLITTABLE = [sample for sample in SAMPLES if sample.name not in PER_MICRO_BATCH]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_halves_and_single_rows_give_the_gradient_of_the_whole_unless_named(sample):
    models, batch = models_for(sample), batch_of(sample.kinds[-1], 6)
    agree = []
    for clock in (Clock(0, 10), Clock(9, 10, epoch=2)):
        whole = outcome(models, sample.step.objective, [batch], clock)
        for size in (3, 1):
            parts = split(batch, size)
            assert len(parts) == 6 // size
            agree.append(same(outcome(models, sample.step.objective, parts, clock), whole, 1e-9))
    assert all(agree) == (sample.name not in PER_MICRO_BATCH)
    assert sample.step.objective.together == (sample.name in PER_MICRO_BATCH)


def same(found, expected, tolerance):
    """Whether tensors are equal by name."""
    try:
        assert_same(found, expected, tolerance)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("sample", SPLITTABLE, ids=lambda sample: sample.name)
@pytest.mark.parametrize("quirks", [{}, EVERY_SWITCH], ids=["as_run", "every_switch"])
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 6), part=st.integers(1, 5))
def test_no_split_changes_the_gradient(sample, quirks, seed, rows, part):
    objective, models = rewritten(sample, quirks), models_for(sample)
    for kind in sample.kinds:
        whole = batch_of(kind, rows, seed)
        parts = split(whole, part)
        assert len(parts) == -(-rows // part)
        clock = Clock(3, 10)
        assert_same(
            outcome(models, objective, parts, clock), outcome(models, objective, [whole], clock), 1e-9
        )


def test_splits_lose_and_invent_nothing():
    whole = batch_of("sum", 5, seed=5)
    parts = split(whole, 2)
    assert torch.equal(torch.cat([p.tokens for p in parts]), whole.tokens)
    assert sum((p.keys for p in parts), ()) == whole.keys
    assert all(p.totals == whole.totals for p in parts)
    assert torch.equal(torch.cat([p.choices.label for p in parts]), whole.choices.label)
    for p in parts:
        assert p.choices.row.max() == len(p.tokens) - 1 and p.example_of_row.max() == len(p.keys) - 1
