"""Pretraining samples: clean as the authors', hidden words as BERT's, infilling as BART's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.corpus import EncodedCorpus
from retort.data.layouts import layout_of, specials_of
from retort.data.text_samples import TextSamples
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError

WORDS = "one two three four five six seven eight nine ten"


def family(name):
    tokenizer = TextTokenizer.train([WORDS], 200, specials_of(name, ("en", "ro")))
    return tokenizer, layout_of(name, tokenizer)


def corpus_of(documents):
    lengths = [len(document) for document in documents]
    flat = np.array([token for document in documents for token in document], dtype=np.int32)
    return EncodedCorpus(flat, np.concatenate([[0], np.cumsum(lengths)]))


def documents(tokenizer, count=40, length=20):
    rng = np.random.default_rng(0)
    ids = tokenizer.ids(WORDS)
    return [[ids[i] for i in rng.integers(0, len(ids), 1 + n % length)] for n in range(count)]


def samples_of(name, noise="none", share=0.15, length=64, seed=3):
    tokenizer, layout = family(name)
    found = documents(tokenizer)
    return found, layout, TextSamples([corpus_of(found)], [layout], length, seed, noise, share)


@pytest.mark.parametrize("name", ["bert", "bart", "mbart50", "t5"])
def test_clean_samples_are_framed_documents_each_once_an_epoch(name):
    found, layout, samples = samples_of(name)
    for epoch in range(2):
        drawn = [samples.example(epoch * len(found) + i) for i in range(len(found))]
        before, after = layout.source
        read = sorted([*before, *document, *after] for document in found)
        assert sorted(sample.tokens.tolist() for sample in drawn) == read
        for sample in drawn:
            assert sample.predicted.all() and sample.target.tolist() == sample.tokens.tolist()
    order = [samples.example(i).tokens.tolist() for i in range(2 * len(found))]
    assert order[: len(found)] != order[len(found) :]


def test_long_documents_are_cut():
    _, layout, samples = samples_of("bart", length=8)
    assert max(len(samples.example(i).tokens) for i in range(40)) == 8
    assert all(samples.example(i).tokens[-1] == layout.source[1][-1] for i in range(40))


@pytest.mark.parametrize("noise", ["none", "words"])
def test_a_sample_is_a_function_of_seed_and_number(noise):
    one, two = samples_of("bert", noise, 0.5)[2], samples_of("bert", noise, 0.5)[2]
    other = samples_of("bert", noise, 0.5, seed=4)[2]
    backwards = [two.example(i) for i in reversed(range(60))][::-1]
    for index, sample in enumerate(backwards):
        assert np.array_equal(sample.tokens, one.example(index).tokens)
    assert any(not np.array_equal(other.example(i).tokens, one.example(i).tokens) for i in range(60))


def test_words_are_hidden_as_bert_hides_them():
    _, layout, samples = samples_of("bert", "words", 0.3)
    fates = np.zeros(3)
    for index in range(4000):
        sample = samples.example(index)
        inner = np.arange(len(sample)) % (len(sample) - 1) != 0
        assert not sample.predicted[~inner].any()
        assert sample.predicted.sum() == max(1, round(0.3 * inner.sum()))
        changed = sample.tokens != sample.target
        assert not changed[~sample.predicted].any()
        masked = sample.tokens == layout.mask
        fates += [(masked & changed).sum(), (changed & ~masked).sum(), (sample.predicted & ~changed).sum()]
    shares = fates / fates.sum()
    assert shares[0] == pytest.approx(0.8, abs=0.02)
    assert 0.05 < shares[1] < 0.1 < shares[2] < 0.15  # another word of the text may be the same word


def test_infilling_hides_spans_and_the_labels_are_clean():
    found, layout, samples = samples_of("bart", "infilling", 0.3)
    clean = {(*layout.target[0], *document, *layout.target[1]) for document in found}
    hidden = total = masks = 0
    for index in range(2000):
        sample = samples.example(index)
        assert tuple(sample.target.tolist()) in clean and sample.predicted.all()
        kept = [token for token in sample.tokens[1:-1].tolist() if token != layout.mask]
        rest = iter(sample.target[1:-1].tolist())
        assert all(token in rest for token in kept)  # a subsequence of the clean text
        hidden += len(sample.target) - 2 - len(kept)
        masks += (sample.tokens == layout.mask).sum()
        total += len(sample.target) - 2
    assert hidden / total == pytest.approx(0.3, abs=0.03)
    assert 1.8 < hidden / masks < 3  # Poisson of mean 3, cut short in short texts, some spans empty


@given(st.integers(0, 10**6))
def test_any_share_can_be_infilled(seed):
    found, layout, samples = samples_of("bart", "infilling", 1.0, seed=seed)
    sample = samples.example(seed)
    kept = (sample.tokens != layout.mask).sum() - 2
    empty_spans = (sample.tokens == layout.mask).sum()
    assert kept <= empty_spans  # every word is hidden but for the budget that empty spans used up


def test_languages_take_turns_whatever_their_sizes():
    tokenizer, _ = family("mbart50")
    layouts = [layout_of("mbart50", tokenizer, code, code) for code in ("en", "ro")]
    small, large = documents(tokenizer, 3), documents(tokenizer, 30)
    samples = TextSamples([corpus_of(small), corpus_of(large)], layouts, 64, 1)
    drawn = [samples.example(index) for index in range(60)]
    for index, sample in enumerate(drawn):
        assert (sample.tokens[0], sample.target[0]) == (layouts[index % 2].source[0] * 2)
    inner = [tuple(sample.tokens[1:-1].tolist()) for sample in drawn[1::2]]
    assert sorted(inner) == sorted(map(tuple, large))


@pytest.mark.parametrize(("name", "noise"), [("bert", "infilling"), ("bart", "words"), ("t5", "infilling")])
def test_noise_of_another_family_is_refused(name, noise):
    with pytest.raises(InputError, match=f"noise '{noise}' does not fit the model family"):
        samples_of(name, noise)


@pytest.mark.parametrize("name", ["opt", "gpt_neox", "llama"])
def test_causal_models_read_whole_documents_each_once_an_epoch(name):
    found, layout, samples = samples_of(name)
    for epoch in range(2):
        drawn = [samples.example(epoch * len(found) + i) for i in range(len(found))]
        read = sorted([*layout.source[0], *document, layout.end] for document in found)
        assert sorted(sample.tokens.tolist() for sample in drawn) == read
        for sample in drawn:
            assert sample.target.tolist() == sample.tokens.tolist()
            assert sample.predicted.tolist() == [False, *[True] * (len(sample) - 1)]


@pytest.mark.parametrize("name", ["opt", "gpt_neox"])
def test_a_causal_document_that_goes_on_has_no_end(name):
    found, layout, samples = samples_of(name, length=8)
    whole = {(*layout.source[0], *document, layout.end)[:8] for document in found}
    drawn = {tuple(samples.example(i).tokens.tolist()) for i in range(len(found))}
    assert drawn == whole and {len(row) for row in drawn if row[-1] != layout.end} == {8}
    with pytest.raises(InputError, match="noise 'infilling' does not fit the model family"):
        samples_of(name, "infilling")
