"""Batches of text examples: keys, labels, segments, padding."""

from __future__ import annotations

import numpy as np
import torch

from retort.data.layouts import layout_of, specials_of
from retort.data.prompt_examples import PromptExample
from retort.data.text_examples import ClassExample, PairExample
from retort.data.text_sets import batch_of_classes, batch_of_pairs, batch_of_prompts
from retort.data.text_tokenizer import TextTokenizer

TOKENIZERS = {name: TextTokenizer.train(["a b c"], 60, specials_of(name)) for name in ("bert", "bart", "opt")}
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


def test_padding_to_a_fixed_length():
    batch = batch_of_classes(classes(3), BERT, length=9)
    assert batch.tokens.shape == batch.segments.shape == (3, 9)
    assert batch.valid.sum(1).tolist() == [3, 4, 5] and batch.totals.valid == 12
    pairs = [PairExample(f"p{n}", np.array([0, 5, 2]), np.array([0, *[6] * n, 2]), ("x",)) for n in (1, 3)]
    batch = batch_of_pairs(pairs, BART, (6, 8))
    assert batch.tokens.shape == (2, 6) and batch.decoder_tokens.shape == batch.targets.shape == (2, 8)
    assert batch.attended.sum(1).tolist() == [3, 3] and batch.valid.sum(1).tolist() == [3, 5]
    assert (batch.tokens[~batch.attended] == BART.pad).all() and not batch.predicted[~batch.valid].any()


def test_prompts_are_trained_on_what_follows_them():
    examples = [
        PromptExample(f"k{n}", np.array([5] * n, np.int32), np.array([6, 2], np.int32), ("x",), None)
        for n in range(1, 8)
    ]
    batch = batch_of_prompts(examples, layout=layout_of("opt", TOKENIZERS["opt"]))
    assert batch.keys == tuple(e.key for e in examples)
    assert batch.totals.predicted == batch.predicted.sum() == 2 * len(batch.keys)
    assert set(batch.targets[batch.predicted].tolist()) == {6, 2}
