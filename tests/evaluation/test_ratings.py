"""Ratings: read strictly, summed as the authors do, failures told."""

from __future__ import annotations

import math

import pytest

from retort.errors import InputError
from retort.evaluation.ratings import RATING, rate_pairs, read_ratings


@pytest.mark.parametrize(
    ("reply", "ratings"),
    [
        ("Assistant 1: 8\nAssistant 2: 7.5", (8.0, 7.5)),
        ("Sure.\nAssistant 2: 3, Assistant 1:10", (10.0, 3.0)),
        ("Assistant 1: 8", None),
        ("Assistant 1: 8\nAssistant 1: 7", None),
        ("Assistant 1: 8\nAssistant 2: 7\nAssistant 2: 9", None),
        ("Assistant 1: 11\nAssistant 2: 7", None),
        ("Assistant 1: 0\nAssistant 2: 7", None),
        ("8 7", None),
    ],
)
def test_replies(reply, ratings):
    assert read_ratings(reply) == ratings


def rated(replies):
    keys = [f"k{n}" for n in range(len(replies))]
    texts = {key: key for key in keys}
    return rate_pairs(lambda asked: replies, texts, texts, texts)


def test_the_score_is_a_ratio_of_sums_over_what_could_be_read():
    found = rated(["Assistant 1: 4\nAssistant 2: 8", "what?", "Assistant 1: 9\nAssistant 2: 2"])
    assert found.ratio == pytest.approx(130) and found.readable == pytest.approx(200 / 3)
    assert math.isnan(rated(["what?"]).ratio)


def test_the_response_is_first():
    asked = []
    rate_pairs(
        lambda questions: asked.extend(questions) or ["", ""], *({"a": f"{n}a", "b": f"{n}b"} for n in "qxy")
    )
    assert asked == [RATING.format(question=f"q{k}", first=f"x{k}", second=f"y{k}") for k in "ab"]
    assert asked[0].index("Assistant 1: xa") < asked[0].index("Assistant 2: ya")


def test_other_items_are_refused():
    with pytest.raises(
        InputError, match="judge: questions and answers have different keys, or none; rate the"
    ):
        rate_pairs(lambda asked: [], {"a": ""}, {"a": ""}, {})
