"""Batches of documents; those of prompts are tested with their examples."""

from __future__ import annotations

import numpy as np

from retort.data.corpus import EncodedCorpus
from retort.data.layouts import layout_of, specials_of
from retort.data.prompt_batches import batch_of_documents
from retort.data.text_samples import TextSamples
from retort.data.text_tokenizer import TextTokenizer


def test_every_next_word_of_a_document_is_predicted():
    tokenizer = TextTokenizer.train(["a b c"], 60, specials_of("opt"))
    layout = layout_of("opt", tokenizer)
    words = np.array(tokenizer.ids("a b c c b a"), np.int32)
    corpus = EncodedCorpus(words, np.array([0, 1, 6]))
    samples = TextSamples([corpus], [layout], 5, 0)
    batch = batch_of_documents([samples.example(n) for n in range(2)], layout)
    rows = [[2, words[0], 2], [2, *words[1:5]]]
    for row in rows:
        place = [ids[: len(row)] for ids in batch.tokens.tolist()].index(row)
        assert batch.targets[place][batch.predicted[place]].tolist() == row[1:]
        assert batch.valid[place].sum() == len(row)
    assert batch.totals.predicted == 6 and batch.decoder_tokens is None
