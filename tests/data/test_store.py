"""Encoded task examples survive the disk; a limited set keeps questions whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.examples import ClozeExample, GLMExample
from retort.data.store import limit, load_examples, save_examples
from retort.errors import InputError


@st.composite
def rows(draw):
    length = draw(st.integers(2, 9))
    ids = st.lists(st.integers(0, 30000), min_size=length, max_size=length)
    return GLMExample(
        np.array(draw(ids), np.int32),
        np.array([draw(ids), draw(ids)], np.int32),
        draw(st.integers(1, length - 1)),
        np.array(draw(ids), np.int32),
        np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length))),
    )


@st.composite
def example_sets(draw):
    verbalizers = draw(st.none() | st.just((7, 11)))
    most = 1 if verbalizers else 4
    count = draw(st.integers(1, 6))
    return [
        ClozeExample(
            f"T/train/{number}",
            tuple(draw(st.lists(rows(), min_size=1, max_size=most))),
            draw(st.integers(0, 1)),
            verbalizers,
            draw(st.dictionaries(st.sampled_from(["idx", "answers"]), st.integers() | st.lists(st.text()))),
        )
        for number in range(count)
    ]


@given(example_sets())
def test_examples_come_back_as_they_were(tmp_path_factory, examples):
    folder = tmp_path_factory.mktemp("store")
    save_examples(folder, "T.train", examples)
    found = load_examples(folder, "T.train")
    assert len(found) == len(examples)
    for ours, theirs in zip(found, examples, strict=True):
        assert (ours.key, ours.label, ours.verbalizers, ours.meta) == (
            theirs.key,
            theirs.label,
            theirs.verbalizers,
            theirs.meta,
        )
        assert len(ours.candidates) == len(theirs.candidates)
        for a, b in zip(ours.candidates, theirs.candidates, strict=True):
            assert a.sep == b.sep
            for name in ("tokens", "positions", "targets", "predicted"):
                left, right = getattr(a, name), getattr(b, name)
                assert left.dtype == right.dtype and np.array_equal(left, right)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match="RTE.val.json: no such file"):
        load_examples(tmp_path, "RTE.val")
    (tmp_path / "RTE.val.json").write_text("{}")
    with pytest.raises(InputError, match=r"RTE.val.npz: no such file; run the step that encodes the tasks"):
        load_examples(tmp_path, "RTE.val")


def questions(sizes):
    row = GLMExample(
        np.zeros(2, np.int32), np.zeros((2, 2), np.int32), 1, np.zeros(2, np.int32), np.ones(2, bool)
    )
    return [
        ClozeExample(f"M/{q}/{a}", (row,), 0, (1, 2), {"question": f"q{q}"})
        for q, size in enumerate(sizes)
        for a in range(size)
    ]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(1, 40))
def test_a_limited_set_keeps_questions_whole_and_order(sizes, most):
    examples = questions(sizes)
    chosen = limit(examples, most)
    keys = [example.key for example in examples]
    places = [keys.index(example.key) for example in chosen]
    assert chosen and places == sorted(places)
    assert len(chosen) <= max(most, max(sizes))
    for q, size in enumerate(sizes):
        assert sum(example.meta["question"] == f"q{q}" for example in chosen) in (0, size)
    assert [e.key for e in limit(examples, most)] == [e.key for e in chosen]


def test_no_limit_takes_all_and_a_limit_draws_from_everywhere():
    examples = questions([1] * 100)
    assert limit(examples, None) == examples and limit(examples, 100) == examples
    chosen = [int(example.key.split("/")[1]) for example in limit(examples, 30)]
    assert len(chosen) == 30 and max(chosen) > 60
