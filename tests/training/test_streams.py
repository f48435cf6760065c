"""Pretraining batches: functions of the update's number, every sample once, micro-batches that add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.data.batches import collate
from retort.data.examples import GLMExample
from retort.errors import RetortError
from retort.training.streams import PretrainingStream


class Numbered:
    """Example ``i`` consists of the number ``i``; every ``drop``-th is dropped by the masking."""

    def __init__(self, drop: int = 0) -> None:
        self.drop = drop

    def example(self, index):
        if self.drop and index % self.drop == 0:
            return None
        length = 3 + index * 7 % 11
        tokens = np.full(length, index + 1, np.int32)
        return GLMExample(tokens, np.zeros((2, length), np.int32), 1, tokens, np.arange(length) > 0)

    def key(self, index):
        return f"sample {index}"

    def collate(self, examples, keys):
        return collate(examples, keys=keys)


def numbers(batches):
    """The samples of batches; each row is called what it holds."""
    found = [row for batch in batches for row in batch.tokens[:, 0].tolist()]
    assert [key for batch in batches for key in batch.keys] == [f"sample {number - 1}" for number in found]
    return found


def same(left, right):
    fields = ("tokens", "targets", "positions", "sep", "predicted", "valid", "example_of_row")
    return len(left) == len(right) and all(
        torch.equal(getattr(a, name), getattr(b, name))
        for a, b in zip(left, right, strict=True)
        for name in fields
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 70), min_size=1, max_size=8), st.integers(0, 3))
def test_a_batch_depends_on_its_number_alone(steps, seed):
    used = PretrainingStream(Numbered(), 4, 2, seed)
    for step in steps:  # in any order, with repeats
        assert same(used(step), PretrainingStream(Numbered(), 4, 2, seed)(step))


def test_seeds_give_other_orders():
    orders = {
        tuple(map(tuple, (numbers(PretrainingStream(Numbered(), 4, 4, s)(i)) for i in range(16))))
        for s in (1, 2)
    }
    assert len(orders) == 2


def test_every_sample_comes_once():
    stream = PretrainingStream(Numbered(), 6, 3, seed=5)
    seen = sorted(row for step in range(32) for row in numbers(stream(step)))
    assert seen == list(range(1, 32 * 6 + 1))


def test_dropped_samples_make_batches_smaller_and_nothing_else():
    stream = PretrainingStream(Numbered(drop=4), 8, 8, seed=5)
    batches = [stream(step) for step in range(16)]
    assert sorted(row for batch in batches for row in numbers(batch)) == [
        index + 1 for index in range(128) if index % 4
    ]
    assert {len(numbers(batch)) for batch in batches} == {6}


def test_very_small_batches_are_never_empty():
    stream = PretrainingStream(Numbered(drop=2), 1, 1, seed=5)
    assert {len(numbers(stream(step))) for step in range(64)} == {1}


def test_a_masking_that_drops_everything_is_told():
    with pytest.raises(RetortError, match="samples 64 to 127: the masking dropped all; give longer"):
        PretrainingStream(Numbered(drop=1), 4, 4, seed=5)(17)


def test_rows_of_a_batch_have_about_equal_length():
    stream = PretrainingStream(Numbered(), 8, 8, seed=1)
    spread = [
        batch.valid.sum(1).max() - batch.valid.sum(1).min() for step in range(16) for batch in stream(step)
    ]
    assert max(spread) <= 2  # of lengths between 3 and 13


def test_batches_are_not_sorted_by_length_over_time():
    stream = PretrainingStream(Numbered(), 8, 8, seed=1)
    lengths = [stream(step)[0].valid.shape[1] for step in range(16)]
    assert lengths != sorted(lengths) and lengths != sorted(lengths, reverse=True)


@pytest.mark.parametrize("steps", [1, 15, 16, 17, 40])
def test_unseen_samples_are_none_of_those_before(steps):
    stream = PretrainingStream(Numbered(), 4, 2, seed=3)
    batch = stream.unseen(steps, 9)
    seen = {row for step in range(steps) for row in numbers(stream(step))}
    assert len(batch.tokens) == 9 and not seen & set(numbers([batch]))
    assert same([batch], [PretrainingStream(Numbered(), 4, 4, seed=4).unseen(steps, 9)])
    assert batch.valid.sum(1).unique().numel() > 3, "lengths are mixed"


@pytest.mark.parametrize("micro", [1, 2, 3, 5])
def test_micro_batches_are_the_batch_in_parts(micro):
    whole = PretrainingStream(Numbered(drop=5), 6, 6, seed=2)
    parts = PretrainingStream(Numbered(drop=5), 6, micro, seed=2)
    for step in range(16):
        (batch,) = whole(step)
        pieces = parts(step)
        assert all(len(piece.tokens) <= micro for piece in pieces)
        assert torch.equal(torch.cat([piece.tokens for piece in pieces]), batch.tokens)
        assert {piece.totals for piece in pieces} == {batch.totals}
        assert batch.totals.predicted == int(batch.predicted.sum()) and batch.totals.rows == len(batch.tokens)
