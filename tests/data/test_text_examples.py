"""GLUE examples as arrays; arrays on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.glue.formats import GlueExample
from retort.data.layouts import layout_of
from retort.data.text_examples import (
    ClassExample,
    PairExample,
    encode_classes,
    load_classes,
    load_pairs,
    sample_of,
    save_texts,
)
from retort.data.text_tokenizer import BERT_SPECIALS, TextTokenizer
from retort.errors import InputError

TOKENIZER = TextTokenizer.train(["a b c d e"], 40, BERT_SPECIALS)
LAYOUT = layout_of("bert", TOKENIZER)
CLS, SEP = 2, 3


def encode(first, second, length):
    (found,) = encode_classes([GlueExample("k", first, second, 1)], TOKENIZER, LAYOUT, length)
    return found


def test_one_sentence_and_two():
    one, two = encode("a b", None, 9), encode("a b", "c", 9)
    a, b, c = (TOKENIZER.ids(letter)[0] for letter in "abc")
    assert one.tokens.tolist() == [CLS, a, b, SEP] and one.second == 4
    assert two.tokens.tolist() == [CLS, a, b, SEP, c, SEP] and two.second == 4 and two.label == 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(5, 30))
def test_the_longer_sentence_is_shortened_first(first, second, length):
    """As BERT's own loop does: a word at a time from the longer, from the second on a tie."""
    found = encode(" ".join("a" * first), " ".join("b" * second), length)
    while first + second > length - 3:
        first, second = (first - 1, second) if first > second else (first, second - 1)
    a, b = TOKENIZER.ids("a"), TOKENIZER.ids("b")
    assert found.tokens.tolist() == [CLS, *a * first, SEP, *b * second, SEP]
    assert found.second == first + 2


def test_a_length_without_room_is_refused():
    with pytest.raises(InputError, match="max_length 4 leaves no room for words; raise it"):
        encode("a", "b", 4)


rows = st.lists(st.integers(0, 50000), min_size=1, max_size=7).map(lambda row: np.array(row, np.int32))
labels = st.one_of(
    st.lists(st.integers(0, 2), min_size=1, max_size=6), st.lists(st.floats(0, 5), min_size=1, max_size=6)
)


@given(labels, st.data())
def test_classes_come_back_as_they_were(tmp_path_factory, values, data):
    examples = [ClassExample(f"k{n}", data.draw(rows), n, value) for n, value in enumerate(values)]
    folder = tmp_path_factory.mktemp("store")
    save_texts(folder, "T.val", examples)
    for ours, theirs in zip(load_classes(folder, "T.val"), examples, strict=True):
        assert (ours.key, ours.second, ours.label) == (theirs.key, theirs.second, theirs.label)
        assert type(ours.label) is type(theirs.label) and np.array_equal(ours.tokens, theirs.tokens)


@given(st.lists(st.tuples(rows, rows, st.lists(st.text(), min_size=1, max_size=3)), min_size=1, max_size=6))
def test_pairs_come_back_as_they_were(tmp_path_factory, drawn):
    examples = [PairExample(f"k{n}", s, t, tuple(texts)) for n, (s, t, texts) in enumerate(drawn)]
    folder = tmp_path_factory.mktemp("store")
    save_texts(folder, "P.train", examples)
    for ours, theirs in zip(load_pairs(folder, "P.train"), examples, strict=True):
        assert (ours.key, ours.references) == (theirs.key, theirs.references)
        for side in ("source", "target"):
            left, right = getattr(ours, side), getattr(theirs, side)
            assert left.dtype == right.dtype and np.array_equal(left, right)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match="T.val.json: no such file"):
        load_classes(tmp_path, "T.val")
    (tmp_path / "T.val.json").write_text("{}")
    with pytest.raises(InputError, match="T.val.npz: no such file; run the step that encodes"):
        load_pairs(tmp_path, "T.val")


def test_a_sample_keeps_order_and_is_the_same_each_time():
    examples = [ClassExample(str(n), np.zeros(1, np.int32), 1, 0) for n in range(50)]
    chosen = [int(e.key) for e in sample_of(examples, 20)]
    assert chosen == sorted(set(chosen)) and len(chosen) == 20 and max(chosen) > 25
    assert [int(e.key) for e in sample_of(examples, 20)] == chosen
    assert sample_of(examples, None) == examples == sample_of(examples, 50)
