from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.data.blocklm import POCKET_MIXTURE, BlockMasker
from retort.data.corpus import EncodedCorpus
from retort.data.samples import DocumentSamples, MaskedSamples, WindowSamples, stream
from retort.data.tokenizer import Tokenizer

TOKENIZER = Tokenizer.train(["ka mu lo pi ta ra ne so . ? , ;"], 200)
SPECIAL = TOKENIZER.special
WORDS = [TOKENIZER.find(w) for w in ("ka", "mu", "lo", "pi", "ta", "ra", "ne", "so")]
STOP = TOKENIZER.find(".")


def corpus_of(documents):
    offsets = np.cumsum([0, *map(len, documents)])
    return EncodedCorpus(np.array(sum(documents, []), dtype=np.int32), offsets)


def sentences(seed, words, per_sentence=7):
    rng = np.random.default_rng(seed)
    return [STOP if i % per_sentence == per_sentence - 1 else int(rng.choice(WORDS)) for i in range(words)]


SHORT = corpus_of([[WORDS[i % 8], WORDS[i // 8], STOP] for i in range(20)])
LONG = corpus_of([sentences(0, 400), sentences(1, 100), sentences(2, 5), sentences(3, 30)])


def test_document_samples_visit_each_document_once_per_epoch():
    samples = DocumentSamples(SHORT, TOKENIZER, length=16, seed=3)
    epochs = [[samples.sample(e * 20 + i) for i in range(20)] for e in range(3)]
    want = sorted([SPECIAL.cls, *SHORT.document(i).tolist(), SPECIAL.eos] for i in range(20))
    assert all(sorted(epoch) == want for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    other_seed = DocumentSamples(SHORT, TOKENIZER, length=16, seed=4)
    assert [other_seed.sample(i) for i in range(20)] != epochs[0]


def test_document_samples_cut_long_documents():
    samples = DocumentSamples(LONG, TOKENIZER, length=20, seed=0)
    found = [samples.sample(i) for i in range(4)]
    assert sorted(map(len, found)) == [7, 20, 20, 20]
    assert all(s[0] == SPECIAL.cls and s[-1] == SPECIAL.eos for s in found)


@pytest.mark.parametrize("kind", [DocumentSamples, WindowSamples])
@given(indices=st.lists(st.integers(0, 200), min_size=1, max_size=12), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_samples_and_masks_are_pure_functions_of_seed_and_index(kind, indices, seed):
    def make():
        return MaskedSamples(kind(LONG, TOKENIZER, 64, seed), BlockMasker(POCKET_MIXTURE, TOKENIZER))

    one = make()
    for index in indices:  # any order, repeats included, against a fresh object each time
        first, second = one.example(index), make().example(index)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.tokens.tolist() == second.tokens.tolist()
            assert first.positions.tolist() == second.positions.tolist()


@given(st.integers(0, 10**6), st.integers(16, 80))
@settings(deadline=None)
def test_windows_are_cls_led_stretches_of_documents(index, length):
    sample = WindowSamples(LONG, TOKENIZER, length, seed=1).sample(index)
    assert sample[0] == SPECIAL.cls
    assert length // 2 <= len(sample) <= length
    text = "".join("|" + "".join(map(chr, LONG.document(i))) + "|" for i in range(4))
    pieces = "".join(map(chr, sample)).split(chr(SPECIAL.cls))[1:]
    for piece in pieces:  # a piece runs to the end of its document exactly if it closes with eos
        assert piece.replace(chr(SPECIAL.eos), "|") in text
    assert all(piece.endswith(chr(SPECIAL.eos)) for piece in pieces[:-1])  # only the last one is cut


def test_windows_of_long_documents_start_and_end_at_sentences():
    samples = WindowSamples(corpus_of([sentences(0, 4000)]), TOKENIZER, 64, seed=0)
    found = [samples.sample(i) for i in range(200)]
    # Sentences are 7 tokens: a whole number of them fits behind [CLS].
    assert all(s[-1] == STOP and (len(s) - 1) % 7 == 0 for s in found if s[-1] != SPECIAL.eos)
    assert {len(s) for s in found if s[-1] != SPECIAL.eos} == {64}
    assert len({tuple(s) for s in found}) > 150


def test_windows_without_any_sentence_end_are_cut_hard():
    document = [WORDS[i * i % 8] for i in range(500)]
    samples = WindowSamples(corpus_of([document]), TOKENIZER, 64, seed=0)
    # The walk to a boundary is at most half a window, so the window is never less than half full.
    assert {len(samples.sample(i)) for i in range(100)} <= set(range(32, 65))
    assert Counter(len(samples.sample(i)) for i in range(100))[64] > 50


def test_windows_are_not_cut_below_half_for_the_sake_of_a_sentence():
    document = [STOP if i % 60 == 59 else WORDS[i * i % 8] for i in range(3000)]
    samples = WindowSamples(corpus_of([document]), TOKENIZER, 64, seed=0)
    found = [s for s in (samples.sample(i) for i in range(300)) if s[-1] != SPECIAL.eos]
    assert all(len(s) == 64 or (s[-1] == STOP and len(s) >= 32) for s in found)
    assert min(map(len, found)) < 64
    assert any(len(s) == 64 and STOP in s[:31] and STOP not in s[31:] for s in found)


def test_documents_are_drawn_in_proportion_to_length():
    first = [WORDS[0]] * 20
    second = [WORDS[1]] * 60
    samples = WindowSamples(corpus_of([first, second]), TOKENIZER, 16, seed=5)
    share = np.mean([WORDS[1] in samples.sample(i) for i in range(2000)])
    assert abs(share - 0.75) < 0.04


def test_streams_differ_by_seed_index_and_purpose():
    draws = [stream(s, i, p).random() for s in range(3) for i in range(50) for p in range(2)]
    assert len(set(draws)) == 300
    assert abs(np.mean(draws) - 0.5) < 0.06
