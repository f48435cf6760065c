"""Padding, filler candidates, and micro-batches that keep what the whole batch knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.data.batches import collate, collate_cloze, split
from retort.data.examples import ClozeExample, GLMExample


def row(length, value=3, sep=1):
    tokens = np.arange(value, value + length, dtype=np.int32)
    positions = np.stack([tokens + 1, tokens + 2]).astype(np.int32)
    return GLMExample(tokens, positions, sep, tokens + 5, np.arange(length) >= sep)


def cloze(number, lengths, verbalizers=None, label=0):
    rows = tuple(row(length, 10 * number + c + 1) for c, length in enumerate(lengths))
    return ClozeExample(f"T/{number}", rows, label, verbalizers)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=6))
def test_rows_are_padded_with_zeros(lengths):
    batch = collate([row(length, 4 + i, 1) for i, length in enumerate(lengths)])
    longest = max(lengths)
    assert batch.tokens.shape == batch.targets.shape == (len(lengths), longest)
    assert batch.positions.shape == (len(lengths), 2, longest)
    for i, length in enumerate(lengths):
        assert batch.tokens[i, :length].tolist() == list(range(4 + i, 4 + i + length))
        assert batch.positions[i, 1, :length].tolist() == list(range(6 + i, 6 + i + length))
        for tensor in (batch.tokens[i], batch.targets[i], batch.positions[i, 0], batch.predicted[i]):
            assert not tensor[length:].any()
        assert batch.valid[i].tolist() == [True] * length + [False] * (longest - length)
    totals = batch.totals
    assert (totals.rows, totals.examples, totals.valid) == (len(lengths), len(lengths), sum(lengths))
    assert totals.predicted == int(batch.predicted.sum()) == sum(lengths) - len(lengths)


def test_a_fixed_length_pads_further():
    assert collate([row(3), row(5)], 9).tokens.shape == (2, 9)


def test_missing_candidates_are_copies_of_the_first_and_marked():
    batch = collate_cloze([cloze(1, [3]), cloze(2, [4, 5, 6]), cloze(3, [2, 2], label=1)])
    assert batch.tokens.shape == (9, 6) and batch.keys == ("T/1", "T/2", "T/3")
    assert batch.choices.real.tolist() == [[True, False, False], [True] * 3, [True, True, False]]
    assert batch.choices.row.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert batch.choices.label.tolist() == [0, 0, 1] and batch.choices.verbalizers is None
    assert torch.equal(batch.tokens[1], batch.tokens[0]) and torch.equal(batch.tokens[8], batch.tokens[6])
    assert batch.example_of_row.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert (batch.totals.rows, batch.totals.examples) == (9, 3)


def test_single_token_answers_have_one_row_and_a_class_each():
    batch = collate_cloze([cloze(n, [3 + n], (7, 8, 9), n % 3) for n in range(4)])
    assert batch.choices.real.shape == (4, 3) and batch.choices.real.all()
    assert batch.choices.verbalizers.tolist() == [7, 8, 9] and batch.choices.row.shape == (4, 1)


EXAMPLES = st.lists(st.lists(st.integers(2, 8), min_size=1, max_size=4), min_size=1, max_size=7)


@given(EXAMPLES, st.integers(1, 8))
def test_parts_put_together_are_the_batch(candidates, size):
    batch = collate_cloze([cloze(n, lengths) for n, lengths in enumerate(candidates)])
    parts = split(batch, size)
    assert all(len(part.keys) == size for part in parts[:-1]) and 0 < len(parts[-1].keys) <= size
    for name in ("tokens", "targets", "positions", "sep", "predicted", "valid"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert torch.equal(torch.cat([part.choices.real for part in parts]), batch.choices.real)
    assert torch.equal(torch.cat([part.choices.label for part in parts]), batch.choices.label)
    assert {part.totals for part in parts} == {batch.totals}
    for part in parts:
        rows = part.choices.row
        assert rows.flatten().tolist() == list(range(len(part.tokens)))
        assert torch.equal(part.example_of_row[rows[:, 0]], torch.arange(len(part.keys)))


@given(st.lists(st.integers(2, 8), min_size=1, max_size=7), st.integers(1, 8))
def test_pretraining_batches_are_split_the_same_way(lengths, size):
    batch = collate([row(length) for length in lengths])
    parts = split(batch, size)
    assert sum((part.keys for part in parts), ()) == batch.keys
    assert torch.equal(torch.cat([part.targets for part in parts]), batch.targets)
    assert all(part.choices is None for part in parts)


@pytest.mark.parametrize("verbalizers", [None, (1, 2)])
def test_every_tensor_moves(verbalizers):
    batch = collate_cloze([cloze(1, [3], verbalizers), cloze(2, [4], verbalizers)])
    moved = batch.to(torch.device("meta"))
    tensors = [
        value for value in (*vars(moved).values(), *vars(moved.choices).values()) if torch.is_tensor(value)
    ]
    assert len(tensors) == 10 + (verbalizers is not None) and {tensor.device.type for tensor in tensors} == {
        "meta"
    }
    assert moved.keys == batch.keys and moved.totals == batch.totals
