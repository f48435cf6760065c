import json
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.blocklm import (
    GLM_SPANS,
    POCKET_MIXTURE,
    BlockMasker,
    Mixture,
    SentencePieces,
    Signs,
    Suffix,
    TokenSpans,
    lay_out,
)
from retort.data.tokenizer import Specials, Tokenizer
from retort.errors import InputError

BERT = Specials(pad=0, unk=100, cls=101, sep=102, mask=103, sop=30522, eop=30523)
TOKENIZER = Tokenizer.train(["ka mu lo pi ta yes no . ? , \" ' *"], 200)
SPECIAL = TOKENIZER.special


@pytest.fixture(scope="module")
def arrays(golden):
    return np.load(golden / "glmd" / "block_lm_masking.npz")


@pytest.fixture(scope="module")
def record(golden):
    return json.loads((golden / "glmd" / "block_lm_masking.json").read_text())


def sample_of(text):
    return [SPECIAL.cls, *TOKENIZER.ids(text), SPECIAL.eos]


def unmasked(example, special):
    """The text again: each [MASK] of part A replaced by the span of part B with its position."""
    spans: dict[int, list[int]] = {}
    for i in range(example.sep, len(example)):
        spans.setdefault(int(example.positions[0, i]), []).append(int(example.tokens[i]))
    text: list[int] = []
    for i in range(example.sep):
        text += spans[i][1:] if i in spans else [int(example.tokens[i])]
    return text


# --- the authors' numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["det0", "det1", "det2"])
def test_layout_equals_the_authors(arrays, case):
    spans = [tuple(s) for s in arrays[f"{case}.in.spans_fill_order"].tolist()]
    found = lay_out(arrays[f"{case}.in.text"].tolist(), spans, BERT)
    assert found.sep == arrays[f"{case}.out.sep"]
    np.testing.assert_array_equal(found.tokens, arrays[f"{case}.out.text"])
    np.testing.assert_array_equal(found.positions, arrays[f"{case}.out.position_id"])
    np.testing.assert_array_equal(found.targets, arrays[f"{case}.out.target"])
    np.testing.assert_array_equal(found.predicted, arrays[f"{case}.out.loss_mask"])


@pytest.mark.parametrize("case", ["bert.b0", "bert.b1", "bert.b2", "bert.b3"])
def test_same_generator_gives_the_authors_batch(arrays, record, case):
    rng = Random(record[f"{case}.rng_seed"])
    for _ in range(3):  # their collate function draws thrice for options that are off
        rng.random()
    signs = Signs(BERT)
    for row, text in enumerate(arrays[f"{case}.in.text"]):
        sample = text[text >= 0].tolist()
        spans = GLM_SPANS.spans(sample, signs, rng)
        assert sorted(spans) == [tuple(s) for s in record[f"{case}.rows"][row]["spans_text_order"]]
        rng.shuffle(spans)
        assert spans == [tuple(s) for s in record[f"{case}.rows"][row]["spans_fill_order"]]
        found = lay_out(sample, spans, BERT)
        size = len(found)
        assert found.sep == arrays[f"{case}.out.attention_mask"][row]
        np.testing.assert_array_equal(found.tokens, arrays[f"{case}.out.text"][row, :size])
        np.testing.assert_array_equal(found.positions, arrays[f"{case}.out.position_id"][row][:, :size])
        np.testing.assert_array_equal(found.targets, arrays[f"{case}.out.target"][row, :size])
        np.testing.assert_array_equal(found.predicted, arrays[f"{case}.out.loss_mask"][row, :size])
        assert not arrays[f"{case}.out.text"][row, size:].any()


def test_statistics_at_512_equal_the_authors(arrays, record):
    theirs = record["stats_512"]
    sample = [BERT.cls, *range(1000, 1510), BERT.eos]
    signs, rng = Signs(BERT), Random(0)
    drawn = [sorted(GLM_SPANS.spans(sample, signs, rng)) for _ in range(1500)]
    lengths = [end - start for spans in drawn for start, end in spans]
    ratios = [sum(end - start for start, end in spans) / 512 for spans in drawn]
    assert np.mean(lengths) == pytest.approx(theirs["span_len_mean"], abs=0.03)
    assert np.mean([len(spans) for spans in drawn]) == pytest.approx(theirs["n_spans_mean"], abs=0.3)
    assert np.mean(ratios) == pytest.approx(theirs["mask_ratio_mean"], abs=3e-4)
    assert min(ratios) >= theirs["mask_ratio_min"]
    gaps = [b[0] - a[1] for spans in drawn for a, b in zip(spans, spans[1:], strict=False)]
    assert min(gaps) == theirs["min_gap"]
    assert np.mean(np.array(gaps) == 1) == pytest.approx(theirs["gap1_frac"], abs=0.004)
    # Histogram of lengths, as shares.
    expected = arrays["stats_512.span_length_hist"] / arrays["stats_512.span_length_hist"].sum()
    found = np.bincount(lengths, minlength=len(expected)) / len(lengths)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_length_weights_equal_the_authors(arrays):
    theirs = np.cumsum(arrays["stats_512.block_length_weights_1_to_39"])
    np.testing.assert_allclose(GLM_SPANS._cumulative, theirs, rtol=1e-12)


# --- properties ----------------------------------------------------------------------------------

STRATEGIES = [
    TokenSpans(0.25, 2.0),
    TokenSpans(),
    SentencePieces(),
    SentencePieces(0.0),
    Suffix(),
    POCKET_MIXTURE,
]
TEXTS = st.lists(st.sampled_from(("ka", "mu", "lo", "yes", "no", ".", "?", ",")), max_size=40).map(" ".join)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@given(text=TEXTS, seed=st.integers(0, 2**32))
def test_examples_hold_the_whole_text(strategy, text, seed):
    sample = sample_of(text)
    example = BlockMasker(strategy, TOKENIZER).mask(sample, Random(seed))
    if example is None:
        return
    assert unmasked(example, SPECIAL) == sample
    size, sep = len(example), example.sep
    assert example.positions.shape == (2, size)
    assert example.targets.shape == example.predicted.shape == (size,)
    assert not example.predicted[:sep].any()
    assert example.predicted[sep:].all()
    assert example.positions[0, :sep].tolist() == list(range(sep))
    assert not example.positions[1, :sep].any()
    assert example.positions[1, sep:].all()
    assert example.tokens[0] == SPECIAL.cls
    assert example.tokens[sep - 1] == SPECIAL.eos  # the end of the text is never masked
    # Teacher forcing: within a span each target is the next input, the last one is [eop].
    starts = [i for i in range(sep, size) if example.tokens[i] == SPECIAL.sop]
    assert (example.tokens == SPECIAL.mask).sum() == len(starts) > 0
    for start, end in zip(starts, [*starts[1:], size], strict=True):
        assert example.targets[start : end - 1].tolist() == example.tokens[start + 1 : end].tolist()
        assert example.targets[end - 1] == SPECIAL.eop
        assert example.positions[1, start:end].tolist() == list(range(1, end - start + 1))
        place = example.positions[0, start]
        assert example.tokens[place] == SPECIAL.mask
        assert (example.positions[0, start:end] == place).all()


@given(
    documents=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    tail=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_token_spans_keep_apart_and_off_the_marks(documents, tail, seed):
    sample: list[int] = []
    for size in documents:
        sample += [BERT.cls, *range(1000, 1000 + size), BERT.eos]
    sample = sample if tail else sample[:-1]
    spans = sorted(GLM_SPANS.spans(sample, Signs(BERT), Random(seed)))
    for start, end in spans:
        assert not {BERT.cls, BERT.eos} & set(sample[start:end])
        assert 0 < start < end < len(sample)
    assert all(a[1] < b[0] for a, b in zip(spans, spans[1:], strict=False))
    budget = int(0.15 * len(sample))
    assert sum(end - start for start, end in spans) >= budget or not spans


def test_samples_whose_spans_do_not_fit_are_dropped():
    # 20 documents of 4 words: all but one may not even hold one masked token, and one cannot hold 18.
    sample = [BERT.cls, *range(1000, 1004), BERT.eos] * 20
    assert int(0.15 * len(sample)) == 18
    assert all(GLM_SPANS.spans(sample, Signs(BERT), Random(seed)) == [] for seed in range(20))


@pytest.mark.parametrize("text", ["", "ka", "ka mu"])
def test_samples_too_short_for_the_budget_are_dropped(text):
    assert BlockMasker(TokenSpans(0.15, 3.0), TOKENIZER).mask(sample_of(text), Random(0)) is None


def test_sentence_pieces_mask_answers_and_one_piece():
    text = "ka mu lo ? yes . pi ta , no"
    sample = sample_of(text)
    masker = BlockMasker(SentencePieces(), TOKENIZER)
    answers, pieces = {(5, 6), (10, 11)}, [(1, 4), (5, 6), (7, 9), (10, 11)]
    found = Counter(
        tuple(sorted(SentencePieces().spans(sample, masker.signs, Random(seed)))) for seed in range(4000)
    )
    assert set(found) == {tuple(sorted(answers | {piece})) for piece in pieces}
    # Answers alone: .7 by decision, and .3 * 2/4 because the drawn piece is itself an answer.
    assert found[tuple(sorted(answers))] / 4000 == pytest.approx(0.85, abs=0.02)


def test_sentence_pieces_without_answers_mask_one_piece():
    sample = sample_of("ka mu . \"lo\" 'pi' *ta* ?")
    signs = BlockMasker(SentencePieces(), TOKENIZER).signs
    found = {tuple(SentencePieces(1.0).spans(sample, signs, Random(seed))) for seed in range(50)}
    assert found == {((1, 3),), ((4, 13),)}  # quotes and stars are no boundaries


@pytest.mark.parametrize("text", ["", ". ? ,", '? " . *'])
@pytest.mark.parametrize("strategy", [SentencePieces(), SentencePieces(0.0)])
def test_sentence_pieces_of_no_words(text, strategy):
    assert BlockMasker(strategy, TOKENIZER).mask(sample_of(text), Random(0)) is None


def test_suffix_masks_the_end_but_not_eos():
    sample = sample_of("ka mu lo pi ta ka mu lo pi ta")
    signs = BlockMasker(Suffix(), TOKENIZER).signs
    found = {tuple(Suffix().spans(sample, signs, Random(seed))) for seed in range(300)}
    assert found == {((start, 11),) for start in range(3, 10)}
    assert Suffix().spans(sample_of(""), signs, Random(0)) == []


def test_mixture_draws_by_weight():
    class Fixed:
        def __init__(self, span):
            self.span = span

        def spans(self, tokens, signs, rng):
            return [self.span]

    mixture = Mixture(((1.0, Fixed((1, 2))), (3.0, Fixed((2, 3))), (0.0, Fixed((3, 4)))))
    rng = Random(0)
    found = Counter(mixture.spans([], None, rng)[0] for _ in range(4000))
    assert found[1, 2] / 4000 == pytest.approx(0.25, abs=0.03)
    assert set(found) == {(1, 2), (2, 3)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mixture(()),
        lambda: Mixture(((0.0, Suffix()),)),
        lambda: Mixture(((-1.0, Suffix()), (2.0, Suffix()))),
        lambda: TokenSpans(ratio=0.0),
        lambda: TokenSpans(mean=0.0),
        lambda: Suffix(0.5, 0.2),
    ],
)
def test_strategies_refuse_nonsense(make):
    with pytest.raises(InputError):
        make()


def test_generation_order_is_shuffled():
    sample = sample_of("ka ? mu . lo ? pi . ta")
    masker = BlockMasker(SentencePieces(1.0), TOKENIZER)
    orders = set()
    for seed in range(60):
        example = masker.mask(sample, Random(seed))
        starts = example.tokens[example.sep :] == SPECIAL.sop
        orders.add(tuple(example.positions[0, example.sep :][starts].tolist()))
    assert len(orders) > 30


def test_arrays_and_lists_give_the_same_example():
    sample = sample_of("ka mu lo pi . ta ka mu ?")
    masker = BlockMasker(POCKET_MIXTURE, TOKENIZER)
    one = masker.mask(sample, Random(3))
    two = masker.mask(np.array(sample, dtype=np.int32), Random(3))
    assert one.tokens.tolist() == two.tokens.tolist()
    assert one.tokens.dtype == one.targets.dtype == one.positions.dtype == np.int32
    assert one.predicted.dtype == bool
