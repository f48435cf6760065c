"""Scores of responses, by hand; resampling is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from retort.data.prompt_examples import PromptExample
from retort.errors import InputError
from retort.evaluation.response_metrics import distinct, last_number, score_responses

NOTHING = np.zeros(0, np.int32)


def example(key, references, answer=None, group=""):
    return PromptExample(key, NOTHING, NOTHING, tuple(references), answer, group)


def scored(rows, **rest):
    """Rows of text, whether it ended, references, answer, group."""
    examples = [example(f"k{n}", r[2], *r[3:]) for n, r in enumerate(rows)]
    texts = {f"k{n}": r[0] for n, r in enumerate(rows)}
    return score_responses(texts, {f"k{n}": r[1] for n, r in enumerate(rows)}, examples, **rest)


def test_rouge_is_that_of_the_best_reference_with_stems():
    found = scored([("the cats sat", True, ["a dog ran", "the cat sat down"]), ("x", True, ["y"])])
    # three of three and of four words: 2 * 1 * 0.75 / 1.75
    assert found.contributions["rougeL"].tolist() == [[pytest.approx(6 / 7), 1.0], [0.0, 1.0]]
    assert found.metrics["rougeL"] == pytest.approx(300 / 7)
    score = RougeScorer(["rougeL"], use_stemmer=True).score("the cat sat down", "the cats sat")["rougeL"]
    assert score.fmeasure == pytest.approx(6 / 7)
    assert found.signatures["rougeL"].startswith("stemmer:yes|references:best|version:")


def test_answers():
    rows = [
        ("it is true.", True, ["it is true."], "it is true."),  # all of it
        ("it is true. no.", True, ["it is true."], "it is true."),  # only the start
        ("it is so. yes.", True, ["it is so. no."], "it is so."),  # a start is all that is certain
        ("anything", True, ["something"], None),
        (" 3 and 4 make 1,200.", True, ["3 * 400 #### 1200"], "1200"),
        ("1200 is not 5", True, ["3 * 400 #### 1200"], "1200"),
        ("none", True, ["#### -3.5"], "-3.5"),
    ]
    found = scored(rows)
    assert found.contributions["exact"].tolist() == [[1, 1], [0, 1], *[[0, 0]] * 5]
    assert found.contributions["starts"].tolist() == [[1, 1], [1, 1], [1, 1], *[[0, 0]] * 4]
    assert found.contributions["number"].tolist() == [*[[0, 0]] * 4, [1, 1], [0, 1], [0, 1]]
    metrics = found.metrics
    assert (metrics["exact"], metrics["starts"]) == (50.0, 100.0)
    assert metrics["number"] == pytest.approx(100 / 3)


def test_a_number_that_is_the_whole_answer_counts_by_its_start():
    """As instruct-eval: 11 starts with 1."""
    found = scored([("11", True, ["1"], "1")])
    assert found.metrics["starts"] == 100 and found.metrics["exact"] == 0 and "number" not in found.metrics


def test_what_nobody_asked_has_no_score():
    assert set(scored([("a", True, ["b"])]).metrics) == {"rougeL", "ends", "length"}


def test_ends_and_lengths():
    found = scored([("a b c", False, ["a b", "a b c d"]), ("", True, ["a b c"]), ("a b c", True, ["a b"])])
    assert found.metrics["ends"] == pytest.approx(200 / 3)
    assert found.metrics["length"] == pytest.approx(6 / (3 + 3 + 2))


def test_sub_tasks_weigh_the_same_where_the_benchmark_says_so():
    rows = [("A", True, ["A"], "A", "x")] * 3 + [("A", True, ["B"], "B", "y")]
    assert scored(rows).metrics["starts"] == 75
    assert scored(rows, by_group=True).metrics["starts"] == 50
    assert scored(rows, by_group=True).metrics["ends"] == 100
    assert scored(rows, by_group=True).on([0, 1])["starts"] == 100


words = st.lists(st.sampled_from("abc"), max_size=5).map(" ".join)
row = st.tuples(
    words, st.booleans(), st.lists(words, min_size=1, max_size=2), st.none() | words, st.sampled_from("xy")
)


@given(st.lists(row, min_size=1, max_size=5), st.data(), st.booleans())
def test_a_resampled_set_scores_as_one_that_was_generated_so(rows, data, by_group):
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
    here = scored(rows, by_group=by_group).on(chosen)
    there = scored([rows[index] for index in chosen], by_group=by_group).metrics
    assert here == pytest.approx(there)


def test_distinct():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["a"], 2) == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 1,234.5 in all.", 1234.5),
        ("3 - 4 = -1", -1),
        ("none", None),
        ("#### 70,000", 70000),
        ("in 2024.", 2024),
    ],
)
def test_last_numbers(text, number):
    assert last_number(text) == number


def test_other_keys_are_refused():
    with pytest.raises(InputError, match="responses and examples: k1 is on one side only"):
        score_responses({"k2": "a"}, {"k2": True}, [example("k1", ["a"])])
    with pytest.raises(InputError, match="responses and examples: there are none"):
        score_responses({}, {}, [])
