import re

import numpy as np
import pytest

from retort.claims.contrasts import Contrast, difference, together
from retort.claims.evidence import Sample, resampling
from retort.claims.spreads import Spread
from retort.claims.tallies import task_scores

DRAWS = 4000


def sample(value, examples=None, variance=None, seeds=2, stream=0):
    """A score whose spreads are given."""
    examples = np.full(DRAWS, float(value)) if examples is None else examples
    if variance is None:
        return Sample(value, examples, np.zeros(DRAWS), None, seeds)
    shifts = np.random.default_rng(stream).normal(0, np.sqrt(variance / seeds), DRAWS)
    return Sample(value, examples, shifts, Spread(variance, np.inf), seeds)


def accuracy(right, task="RTE"):
    """A score from right answers, on the draws that all share."""
    sums = np.column_stack([right, np.ones(len(right))]).astype(float)
    drawn = task_scores(task, resampling(3, (len(right),), DRAWS) @ sums)
    return Sample(100 * right.mean(), drawn, np.zeros(DRAWS), Spread(0.0, np.inf), 2)


def test_a_share_has_its_binomial_interval():
    right = np.arange(400) < 300
    low, high = Contrast((accuracy(right),), (1.0,)).interval
    half = 100 * 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((75 - half, 75 + half), abs=0.35)


def test_a_paired_difference_varies_only_where_answers_differ():
    """McNemar: with b and c discordant answers of n, the variance is (b + c - (b - c)^2 / n) / n^2."""
    first, second = np.arange(400) < 300, np.arange(400) < 280
    second[:10] = False
    b, c, n = 30, 0, 400
    contrast = difference(accuracy(first), accuracy(second))
    deviation = 100 * np.sqrt(b + c - (b - c) ** 2 / n) / n
    low, high = contrast.interval
    assert contrast.value == pytest.approx(7.5)
    assert (high - low) / 2 == pytest.approx(1.96 * deviation, rel=0.06)
    unpaired = 100 * 1.96 * np.sqrt((0.75 * 0.25 + 0.675 * 0.325) / n)
    assert (high - low) / 2 < 0.5 * unpaired


def test_equal_answers_do_not_differ_at_all():
    right = np.arange(100) < 60
    assert difference(accuracy(right), accuracy(right)).interval == (0, 0)


def test_spreads_of_examples_and_seeds_add_up():
    examples = np.random.default_rng(5).normal(50, 3, DRAWS)
    contrast = Contrast((sample(50, examples, variance=32, seeds=2, stream=9),), (1.0,))
    low, high = contrast.interval
    assert (high - low) / 2 == pytest.approx(1.96 * 5, rel=0.05)


def test_needed_seeds_follow_from_the_parts():
    """s = 2 x 8, no spread of examples: the half-width with n seeds is 1.96 x 4 / sqrt(n)."""
    contrast = difference(sample(52, variance=8, stream=1), sample(50, variance=8, stream=2))
    assert contrast.needed(2.0) == "16 seeds"
    assert contrast.needed(0.0) == "more than 1,000 seeds"
    assert contrast.needed(0.01) == "more than 1,000 seeds"


def test_more_seeds_do_not_help_where_examples_are_too_few():
    examples = np.random.default_rng(3).normal(0, 1, DRAWS)
    contrast = Contrast((sample(0.5, 0.5 + examples, variance=0.08),), (1.0,))
    assert re.fullmatch(r"3 seeds and 3[0-3] times the dev examples", contrast.needed(0.5))


def test_without_a_spread_of_seeds_more_seeds_come_first():
    contrast = difference(sample(52), sample(50))
    assert not contrast.seeds_known
    assert contrast.needed(2.0) == "2 seeds or more"


def test_together_is_wider_than_alone_and_covers_all_at_once():
    contrasts = [Contrast((sample(0.0, variance=2, stream=i),), (1.0,)) for i in range(20)]
    ends = together(contrasts)
    assert all(
        low < c.interval[0] and high > c.interval[1] for (low, high), c in zip(ends, contrasts, strict=True)
    )
    misses = 0
    for trial in range(400):
        truth = np.random.default_rng(1000 + trial).normal(0, 1, 20)
        misses += any(not low < shift < high for (low, high), shift in zip(ends, truth, strict=True))
    assert 0.02 < misses / 400 < 0.09


def test_together_of_one_is_its_own_interval():
    contrast = Contrast((sample(1.0, variance=2),), (1.0,))
    assert together([contrast])[0] == contrast.interval


def test_draws_are_the_same_at_every_call():
    assert (resampling(1, (50,), 7) == resampling(1, (50,), 7)).all()
    assert (resampling(1, (50,), 7).sum(1) == 50).all()
    assert (resampling(1, (50,), 7) != resampling(2, (50,), 7)).any()
