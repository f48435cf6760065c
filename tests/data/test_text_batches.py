import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.data.text_batches import causal_batch, class_batch, masked_batch, seq2seq_batch, whole_batch


def test_masked_words_are_predicted_in_place():
    batch = masked_batch(
        [[2, 9, 5], [2, 9]], [[2, 7, 5], [2, 4]], [[False, True, False], [False, True]], pad=0
    )
    assert batch.tokens.tolist() == [[2, 9, 5], [2, 9, 0]]
    assert batch.targets[batch.predicted].tolist() == [7, 4]
    assert batch.valid.tolist() == batch.attended.tolist() == [[True] * 3, [True, True, False]]
    assert (batch.totals.valid, batch.totals.predicted) == (5, 2)


def test_causal_models_predict_the_next_word_of_the_answer():
    batch = causal_batch([[5, 6, 7, 8], [5, 6]], prompts=[2, 1], pad=1)
    assert batch.predicted.tolist() == [[False, True, True, False], [True, False, False, False]]
    assert batch.targets[batch.predicted].tolist() == [7, 8, 6]


def test_without_a_prompt_all_but_the_first_word_are_predicted():
    assert causal_batch([[5, 6, 7]], prompts=[0], pad=1).predicted.tolist() == [[True, True, False]]


def test_decoders_read_the_shifted_target():
    batch = seq2seq_batch([[5, 6, 7]], [[8, 9]], pad=1, start=2)
    assert batch.decoder_tokens.tolist() == [[2, 8]] and batch.targets.tolist() == [[8, 9]]
    assert batch.predicted.all() and batch.valid.shape == (1, 2) and batch.attended.shape == (1, 3)


def test_a_language_code_is_wrapped_to_the_front():
    batch = seq2seq_batch([[5, 6, 7], [5]], [[8, 9, 3], [7, 4]], pad=1, start=None)
    assert batch.decoder_tokens.tolist() == [[3, 8, 9], [4, 7, 4]]
    assert batch.targets.tolist() == [[8, 9, 3], [7, 4, 1]]


def test_totals_count_both_sides_and_what_a_decoder_reads():
    batch = seq2seq_batch([[5, 6, 7], [5]], [[8, 9, 3], [7, 4]], pad=1, start=2)
    read = batch.decoder_tokens[:, 1:] != 1
    assert (batch.totals.attended, batch.totals.valid, batch.totals.shifted) == (4, 5, int(read.sum()))


def test_whole_texts_predict_every_word_in_place():
    batch = whole_batch([[5, 6, 7], [5]], pad=1)
    assert torch.equal(batch.targets, batch.tokens) and torch.equal(batch.predicted, batch.valid)
    assert batch.valid.tolist() == [[True, True, True], [True, False, False]]


def test_classifiers_have_labels_and_segments():
    batch = class_batch([[5, 6, 7], [5]], [[0, 0, 1], [0]], [1, 0], pad=1)
    assert batch.labels.tolist() == [1, 0] and batch.segments.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert not batch.predicted.any()
    scores = class_batch([[5, 6, 7], [5]], None, [0.5, 4.0], pad=1)
    assert scores.segments is None and scores.labels.is_floating_point()


@given(
    st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 7)
)
def test_parts_make_up_the_whole(rows, size):
    whole = seq2seq_batch(rows, rows, pad=1, start=2)
    parts = whole.split(size)
    assert all(part.totals == whole.totals for part in parts)
    assert sum((part.keys for part in parts), ()) == whole.keys
    for name in ("tokens", "attended", "targets", "predicted", "valid", "decoder_tokens"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name


@pytest.mark.parametrize("kind", ["plain", "classes"])
def test_moving_keeps_everything(kind):
    batch = class_batch([[5]], [[0]], [0], 1) if kind == "classes" else causal_batch([[5, 6]], [1], 1)
    moved = batch.to(torch.device("meta"))
    assert moved.tokens.is_meta and moved.totals == batch.totals and moved.keys == batch.keys
    assert (moved.labels is None) == (batch.labels is None)
