"""Work of word terms: which positions get logits, and how often."""

from __future__ import annotations

import pytest

from retort.costs.terms import Rows, Widths, word_term
from retort.distill.distances import KL
from retort.distill.objective import words
from retort.distill.positions import Positions, TokenGroup
from retort.models.features import Shape
from retort.recipes.atkd import adaptive

BATCH = Rows(rows=4, length=10, valid=35, predicted=20)
STUDENT, WIDTHS = Shape(2, 8, 2, 100), Widths(8, (16,))


def work_of(objective):
    pairs = [word_term(term, BATCH, STUDENT, WIDTHS) for term in objective.terms]
    return [sum(each.flops for each in side) for side in zip(*pairs, strict=True)]


def test_groups_of_words_get_logits_once_and_their_teacher_twice():
    """Together they are as many as there are words to predict; the ranking asks the teacher first."""
    ours, theirs = work_of(words(KL(), "predicted"))
    for share in (0.3, 0.5):
        found = work_of(adaptive(TokenGroup(share=share)))
        assert found == pytest.approx([ours, 2 * theirs])
    assert work_of(words(KL(), Positions())) == [ours, theirs]


def test_what_is_ignored_is_the_rest():
    ignored, predicted = (work_of(words(KL(), mask)) for mask in (Positions("ignored"), Positions()))
    assert ignored == pytest.approx(predicted)
    assert BATCH.positions(Positions("ignored")) == 40 - 20
    assert BATCH.positions(TokenGroup(share=0.3)) + BATCH.positions(TokenGroup(group="easy", share=0.3)) == 20
