import numpy as np
import pytest
from scipy.stats import spearmanr

from retort.reporting.ranks import shift_test, shifted_correlations


@pytest.mark.parametrize("ties", [False, True])
def test_every_shift_is_scipys_correlation(ties):
    random = np.random.default_rng(0)
    x, y = random.integers(4, size=(2, 12)) if ties else random.normal(size=(2, 12))
    found = shifted_correlations(x.astype(float), y.astype(float))
    for shift in range(12):
        assert found[shift] == pytest.approx(spearmanr(np.roll(x, -shift), y).statistic)


def test_what_is_undefined_is_none():
    short, constant = np.arange(2.0), np.ones(9)
    assert shifted_correlations(short, short) is None
    assert shifted_correlations(constant, np.arange(9.0)) is None
    holes = np.array([1, np.nan, 3, np.inf, 5, 6])
    assert len(shifted_correlations(holes, np.arange(6.0))) == 4


def test_series_that_fall_together_are_no_chance():
    x = 1 / np.arange(1, 31)
    run = shifted_correlations(x, -np.sqrt(x))
    assert run[0] == pytest.approx(-1)
    assert shift_test([run]) == pytest.approx(1 / 30)
    assert shift_test([run] * 2) == pytest.approx(1 / 900)
    assert shift_test([run] * 5) == pytest.approx(1 / 20_001)


def test_sampled_and_exhaustive_p_values_agree():
    random = np.random.default_rng(1)
    runs = [shifted_correlations(*random.normal(size=(2, 20)).cumsum(1)) for _ in range(4)]  # 160,000 shifts
    sums = runs[0][:, None, None, None] + runs[1][:, None, None] + runs[2][:, None] + runs[3]
    exact = (np.abs(sums) >= abs(sums[0, 0, 0, 0]) - 1e-12).mean()
    assert shift_test(runs) == pytest.approx(exact, abs=0.01)
    assert shift_test(runs) == shift_test(runs), "the same whenever it is asked"


def autoregressive(random, steps=30, memory=0.9):
    x = np.zeros(steps + 50)
    for i in range(1, len(x)):
        x[i] = memory * x[i - 1] + random.normal()
    return x[50:]


def test_unrelated_series_with_memory_are_seldom_found_related():
    random = np.random.default_rng(2)
    pairs = [(autoregressive(random), autoregressive(random)) for _ in range(400)]
    ours = np.mean([shift_test([shifted_correlations(*pair)]) <= 0.05 for pair in pairs])
    usual = np.mean([spearmanr(*pair).pvalue <= 0.05 for pair in pairs])
    assert ours < 0.09 < 0.3 < usual
