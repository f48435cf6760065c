import numpy as np
import pytest
from scipy import stats

from retort.claims.spreads import pool


def test_without_two_seeds_nothing_is_known():
    assert pool([[1.0], [2.0], []]) is None


def test_one_row_is_all_there_is():
    spread = pool([[1.0, 3.0], [5.0]]).spread([1.0, 3.0])
    assert (spread.variance, spread.freedom) == (2.0, 1.0)


def test_equal_variances_are_pooled():
    rows = [[mean, mean + 2.0] for mean in range(10)]
    known = pool(rows)
    assert known.spread(rows[0]).variance == pytest.approx(2.0, rel=0.02)
    assert known.spread(rows[0]).freedom == 10
    assert known.spread([7.0]).variance == pytest.approx(2.0, rel=0.02)


def test_unequal_variances_stay_apart():
    random = np.random.default_rng(0)
    rows = [random.normal(0, scale, 6) for scale in (0.1, 0.1, 0.1, 10, 10, 10)]
    known = pool(rows)
    assert known.prior.freedom < 4
    assert known.spread(rows[0]).variance < 0.3 * known.spread(rows[-1]).variance


def test_two_seeds_that_happen_to_agree_do_not_make_all_rows_different():
    random = np.random.default_rng(3)
    rows = [random.normal(0, 1, 2) for _ in range(20)]
    before = pool(rows).spread(rows[0])
    after = pool([*rows, [1.0, 1.0001]]).spread(rows[0])
    assert after.freedom > 0.5 * before.freedom
    assert after.variance == pytest.approx(before.variance, rel=0.3)


def test_the_prior_is_recovered():
    """Variances drawn from the model that moderation assumes: scaled inverse chi-squared."""
    random = np.random.default_rng(1)
    variances = 4.0 * 8 / random.chisquare(8, 3000)
    known = pool([random.normal(0, np.sqrt(v), 4) for v in variances])
    assert known.prior.freedom == pytest.approx(8, rel=0.5)
    assert known.prior.variance == pytest.approx(4, rel=0.1)


def test_rows_without_any_spread_have_none():
    assert pool([[1.0, 1.0]] * 5).spread([1.0, 1.0]).variance == 0


@pytest.mark.parametrize("unequal", [False, True])
def test_intervals_of_two_seeds_cover(unequal):
    """Moderated t intervals of two-seed rows cover their mean in about 95 of 100; normal ones would not."""
    random = np.random.default_rng(2)
    covered = []
    for _ in range(60):
        scales = np.sqrt(4 / random.chisquare(4, 30)) if unequal else np.ones(30)
        rows = [random.normal(0, scale, 2) for scale in scales]
        known = pool(rows)
        for row in rows:
            spread = known.spread(row)
            half = stats.t.ppf(0.975, spread.freedom) * np.sqrt(spread.variance / 2)
            covered.append(abs(np.mean(row)) < half)
    assert 0.93 < np.mean(covered) < 0.975
