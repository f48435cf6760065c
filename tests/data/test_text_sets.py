"""Batches of text examples: keys, labels, and what depends on the step alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from retort.data.corpus import EncodedCorpus
from retort.data.layouts import layout_of, specials_of
from retort.data.text_examples import ClassExample, PairExample
from retort.data.text_samples import TextSamples
from retort.data.text_sets import EpochBatches, SampleBatches, batch_of_classes, batch_of_pairs
from retort.data.text_tokenizer import TextTokenizer

TOKENIZERS = {name: TextTokenizer.train(["a b c"], 60, specials_of(name)) for name in ("bert", "bart")}
BERT, BART = (layout_of(name, TOKENIZERS[name]) for name in ("bert", "bart"))


def classes(count, score=False):
    return [
        ClassExample(f"k{n}", np.arange(3 + n % 5, dtype=np.int32), 2, n / 2 if score else n % 3)
        for n in range(count)
    ]


def test_pairs_of_sentences_have_segments_and_keys():
    batch = batch_of_classes(classes(3), BERT)
    assert batch.keys == ("k0", "k1", "k2") and batch.labels.tolist() == [0, 1, 2]
    assert batch.segments.tolist() == [[0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert batch.labels.dtype == torch.int64 and not batch.predicted.any()
    assert batch_of_classes(classes(3), BERT, segments=False).segments is None


def test_scores_are_floats():
    assert batch_of_classes(classes(4, score=True), BERT).labels.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert batch_of_classes(classes(3, score=True), BERT).labels.is_floating_point()


def test_text_pairs_have_keys():
    pairs = [PairExample(f"p{n}", np.array([0, 5, 2]), np.array([0, *[6] * n, 2]), ("x",)) for n in (1, 3)]
    batch = batch_of_pairs(pairs, BART)
    assert batch.keys == ("p1", "p3") and batch.decoder_tokens.tolist()[1] == [2, 0, 6, 6, 6]
    assert batch.valid.sum() == 8 and batch.totals.predicted == 8


def test_an_epoch_has_every_example_once_in_an_order_of_its_own():
    batches = EpochBatches(classes(10), partial(batch_of_classes, layout=BERT), 4, 3, "RTE/1")
    assert (batches.per_epoch, batches.total) == (3, 9)
    epochs = [[batches(step).keys for step in range(3 * e, 3 * e + 3)] for e in range(3)]
    for epoch in epochs:
        assert sorted(sum(epoch, ())) == sorted(f"k{n}" for n in range(10)) and len(epoch[2]) == 2
    assert epochs[0] != epochs[1] and [batches.epoch(step) for step in (0, 2, 3, 8)] == [0, 0, 1, 2]
    again = EpochBatches(classes(10), partial(batch_of_classes, layout=BERT), 4, 3, "RTE/1")
    assert again(7).keys == epochs[2][1]
    other = EpochBatches(classes(10), partial(batch_of_classes, layout=BERT), 4, 3, "RTE/2")
    assert [other(step).keys for step in range(3)] != epochs[0]


def sample_batches(name="bert", noise="words", size=4):
    ids = TOKENIZERS[name].ids("a b c")
    lengths = [1 + n % 9 for n in range(50)]
    corpus = EncodedCorpus(np.resize(np.array(ids, np.int32), sum(lengths)), np.cumsum([0, *lengths]))
    layout = layout_of(name, TOKENIZERS[name])
    return SampleBatches(TextSamples([corpus], [layout], 32, 5, noise, 0.3), layout, size)


@pytest.mark.parametrize(("name", "noise"), [("bert", "words"), ("bert", "none"), ("bart", "infilling")])
def test_a_pretraining_batch_is_a_function_of_its_number(name, noise):
    forwards, backwards = sample_batches(name, noise), sample_batches(name, noise)
    found = [forwards(step) for step in range(40)]
    for step in reversed(range(40)):
        assert torch.equal(backwards(step).tokens, found[step].tokens)
        assert torch.equal(backwards(step).targets, found[step].targets)
    assert all(len(batch.tokens) == 4 for batch in found)


def test_rows_of_a_batch_are_of_similar_length():
    batches = [sample_batches()(step) for step in range(16)]
    spread = [int(b.valid.sum(1).max() - b.valid.sum(1).min()) for b in batches]
    assert max(spread) <= 2 and len({b.tokens.shape[1] for b in batches}) > 4


def test_held_out_samples_come_after_all_that_training_reads():
    batches = sample_batches()
    rest = batches.unseen(3, 6)
    samples = batches._samples
    assert rest.tokens.shape[0] == 6
    first = samples.example(16 * 4)
    assert rest.tokens[0, : len(first)].tolist() == first.tokens.tolist()


def test_an_unmasked_encoder_is_compared_on_every_word():
    batch = sample_batches("bert", "none")(0)
    assert torch.equal(batch.predicted, batch.valid) and torch.equal(batch.targets, batch.tokens)
