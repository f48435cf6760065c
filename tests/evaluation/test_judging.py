"""Judges are asked in both orders; a preference for a place is none for a response."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.errors import InputError
from retort.evaluation.judging import QUESTION, AskedJudge, judge_pairs, read_verdict


class Longer:
    """Prefers the longer response, and the first place by a margin."""

    def __init__(self, bias=0):
        self.bias = bias

    def chances(self, comparisons):
        gaps = [len(c.first) - len(c.second) + self.bias for c in comparisons]
        return [0.5 + 0.5 * np.tanh(gap) for gap in gaps]


def judged(judge, ours, theirs):
    keys = [f"k{n}" for n in range(len(ours))]
    rows = (dict(zip(keys, texts, strict=True)) for texts in ([""] * len(ours), ours, theirs))
    return judge_pairs(judge, *rows)


def test_wins_losses_and_ties():
    found = judged(Longer(), ["aaa", "a", "aa"], ["a", "aaa", "bb"])
    assert found.outcomes.tolist() == [1, 0, 0.5] and found.win_rate == 50 and found.first == 50
    assert found.sides.tolist() == [[1, 1], [0, 0], [0.5, 0.5]] and found.readable == 100
    draws = found.win_rates(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    assert draws == pytest.approx([200 / 3, 50]) and found.keys == ("k0", "k1", "k2")


def test_a_preference_that_turns_with_the_order_is_a_tie():
    found = judged(Longer(bias=2), ["aaaaa", "a", "aa"], ["a", "aa", "bb"])
    assert found.outcomes.tolist() == [1, 0.5, 0.5] and found.first == pytest.approx(500 / 6)
    assert found.sides.tolist() == [[1, 1], [1, 0], [1, 0]]
    assert judged(Longer(bias=99), ["aaa"] * 4, ["a"] * 4).outcomes.tolist() == [0.5] * 4


@given(st.lists(st.tuples(st.text("ab"), st.text("ab")), min_size=1, max_size=6), st.integers(-3, 3))
def test_who_is_ours_only_turns_the_outcome(pairs, bias):
    ours, theirs = ([row[side] for row in pairs] for side in (0, 1))
    one, other = judged(Longer(bias), ours, theirs), judged(Longer(bias), theirs, ours)
    assert (one.outcomes + other.outcomes == 1).all() and one.first == other.first


def test_other_items_are_refused():
    with pytest.raises(InputError, match="judge: instructions and responses have different keys, or none"):
        judge_pairs(Longer(), {"a": ""}, {"a": "x"}, {"b": "y"})
    with pytest.raises(InputError, match="or none; compare the same items"):
        judge_pairs(Longer(), {}, {}, {})


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("1", 1.0),
        ("Response 2 is better.", 0.0),
        ("2\n\n2", 0.0),
        ("**1**", 1.0),
        ("Response 1 is better than Response 2.", None),
        ("neither", None),
        ("12", None),
        ("1.5", None),
        ("a1", None),
        ("1 (of 3)", None),
        ("", None),
    ],
)
def test_replies(reply, verdict):
    found = read_verdict(reply)
    assert math.isnan(found) if verdict is None else found == verdict


def test_what_cannot_be_read_is_a_tie_and_counted():
    replies = iter([["1", "2", "who knows", "1"], ["2", "?", "2", "1"]])
    found = judged(AskedJudge(lambda asked: next(replies)), list("abcd"), list("efgh"))
    there, back = found.sides.T.tolist()
    assert there[:2] == [1, 0] and math.isnan(there[2]) and there[3] == 1
    assert back[0] == 1 and math.isnan(back[1]) and back[2:] == [1, 0]
    assert found.outcomes.tolist() == [1, 0.5, 0.5, 0.5] and found.win_rate == 62.5
    assert found.readable == 75 and found.first == 50  # 1, 2, 1 and 2, 2, 1
    none = judged(AskedJudge(lambda asked: [""] * len(asked)), ["a"], ["b"])
    assert none.outcomes.tolist() == [0.5] and none.readable == 0 and math.isnan(none.first)


def test_both_orders_are_asked():
    asked = []
    judge = AskedJudge(lambda questions: asked.append(questions) or ["1"] * len(questions))
    judge_pairs(judge, {"k": "q"}, {"k": "x"}, {"k": "y"})
    orders = (("x", "y"), ("y", "x"))
    assert asked == [[QUESTION.format(instruction="q", first=a, second=b)] for a, b in orders]
