"""The ATKD authors' score: a judge rates a response and the reference, each from 1 to 10, in one reply.

The score of a set is the sum of the responses' ratings over that of the references'. The authors ask in one
order, the response first, and drop replies that they cannot read; how many those are is told here. Their
judge is a model behind a network; this one is whatever answers, and its score is to be called by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from retort.errors import InputError
from retort.evaluation.judging import Ask

RATING = (
    "Rate two answers to a question, each from 1 to 10, by how helpful, relevant, accurate and "
    "detailed they are.\n\nQuestion: {question}\n\nAssistant 1: {first}\n\nAssistant 2: {second}\n\n"
    "Write nothing but two lines, 'Assistant 1: <score>' and 'Assistant 2: <score>'."
)
"""What a judge is asked; the form of its reply is the one that the authors ask for."""

_SCORE = re.compile(r"Assistant ([12]):\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class RatedPairs:
    """Ratings of responses and references.

    Attributes:
        keys: of the items.
        ratings: float64 [items, 2], of the response and the reference; NaN where the reply was not readable.
    """

    keys: tuple[str, ...]
    ratings: np.ndarray

    @property
    def readable(self) -> float:
        """Share of replies that could be read, in percent."""
        return 100.0 * float((~np.isnan(self.ratings[:, 0])).mean())

    @property
    def ratio(self) -> float:
        """Sum of the responses' ratings over that of the references', in percent; NaN if none is readable."""
        ours, theirs = np.nansum(self.ratings, axis=0)
        return 100.0 * float(ours / theirs) if theirs > 0 else float("nan")


def rate_pairs(
    ask: Ask, questions: Mapping[str, str], responses: Mapping[str, str], references: Mapping[str, str]
) -> RatedPairs:
    """Ask a judge about every item, the response first, as the authors do.

    Args:
        ask: the judge.
        questions, responses, references: texts by key.

    Raises:
        InputError: nothing to rate, or the three have different keys.
    """
    keys = tuple(questions)
    if not keys or responses.keys() != set(keys) or references.keys() != set(keys):
        raise InputError("judge: questions and answers have different keys, or none; rate the same items")
    asked = [
        RATING.format(question=questions[key], first=responses[key], second=references[key]) for key in keys
    ]
    found = [read_ratings(reply) for reply in ask(asked)]
    return RatedPairs(keys, np.array([(np.nan, np.nan) if pair is None else pair for pair in found]))


def read_ratings(reply: str) -> tuple[float, float] | None:
    """The two ratings of a reply; ``None`` unless each is there once and from 1 to 10."""
    scores = [(place, float(score)) for place, score in _SCORE.findall(reply)]
    if sorted(place for place, _ in scores) != ["1", "2"] or not all(1 <= score <= 10 for _, score in scores):
        return None
    by_place = dict(scores)
    return by_place["1"], by_place["2"]
