"""ROUGE, BLEU and chrF equal the packages' own corpus scores; resampling is exact."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from retort.errors import InputError
from retort.evaluation.text_metrics import score_texts

words = st.sampled_from(
    ["the", "cats", "cat", "sat", ".", "mats", "mat,", "on", "A", "dog's", "running", "ran\n"]
)
texts = st.lists(words, max_size=12).map(" ".join)
corpora = st.lists(st.tuples(texts, texts.filter(bool)), min_size=1, max_size=6)


def scored(kind, pairs):
    generated = {f"k{n}": text for n, (text, _) in enumerate(pairs)}
    references = {
        f"k{n}": right if isinstance(right, list) else [right] for n, (_, right) in enumerate(pairs)
    }
    return score_texts(kind, generated, references)


@given(corpora, st.data())
def test_bleu_and_chrf_of_any_sample_equal_sacrebleu_s(pairs, data):
    found = scored("translation", pairs)
    chosen = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=8))
    hypotheses, references = zip(*(pairs[i] for i in chosen), strict=True)
    here = found.on(chosen)
    assert here["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score, abs=1e-9)
    assert here["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score, abs=1e-9)


@settings(max_examples=30)
@given(corpora)
def test_rouge_is_the_mean_of_the_package_s_f_measures(pairs):
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
    each = [scorer.score(right, text) for text, right in pairs]
    for name, value in scored("summarisation", pairs).metrics.items():
        assert value == pytest.approx(100 * np.mean([score[name].fmeasure for score in each]))


def test_numbers_by_hand():
    found = scored("summarisation", [("the cats sat", "a cat sat down"), ("x", "y")])
    assert found.metrics["rouge1"] == pytest.approx(100 * (2 * 2 / 7) / 2)  # stems: cat, sat
    assert found.metrics["rouge2"] == pytest.approx(100 * (2 * 1 / 5) / 2)
    texts = {"a": "the cats sat"}, {"a": ["a cat sat down"]}
    plain = score_texts("summarisation", *texts, stemmer=False)
    assert plain.metrics["rouge1"] == pytest.approx(100 * 2 * 1 / 7)
    assert plain.signatures["rouge1"].startswith("stemmer:no|")
    # Lines are sentences for rougeLsum only: their order matters to rougeL.
    swapped = scored("summarisation", [("b b\na a", "a a\nb b")]).metrics
    assert swapped["rougeLsum"] == pytest.approx(100) and swapped["rougeL"] == pytest.approx(50)
    bleu = scored("translation", [("the cat sat on the mat", "the cat sat on the mat")])
    assert bleu.metrics == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}


def test_the_best_of_several_references_counts():
    several = scored("summarisation", [("a b", ["c d", "a b"]), ("x y", ["x y"])])
    assert all(value == pytest.approx(100) for value in several.metrics.values())
    found = scored("translation", [("a b c d", ["e", "a b c d"]), ("w x y z", ["w x y z"])])
    assert found.metrics["bleu"] == pytest.approx(100)
    single = scored("translation", [("a b c d", ["a b c d"]), ("w x y z", ["w x y z"])])
    assert "nrefs:1|" in single.signatures["bleu"] and "nrefs:var|" in found.signatures["bleu"]


def test_signatures_say_how_it_was_computed():
    found = scored("translation", [("a", "a")]).signatures
    assert found["bleu"] == "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
    assert found["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|")
    rouge = scored("summarisation", [("a", "a")]).signatures
    assert set(rouge.values()) == {"stemmer:yes|references:best|version:0.1.2"}


def test_every_example_is_scored_and_nothing_else():
    with pytest.raises(InputError, match="k1 is on one side only; generate a text for each"):
        score_texts("translation", {"k0": "a"}, {"k0": ["a"], "k1": ["b"]})
    with pytest.raises(InputError, match="there are none"):
        score_texts("summarisation", {}, {})
