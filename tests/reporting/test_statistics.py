from retort.reporting.statistics import Summary, near_baseline, summarise


def test_spread_is_the_sample_standard_deviation():
    summary = summarise([1.0, 2.0, 4.0])
    assert summary.mean == 7 / 3
    assert abs(summary.sd**2 - 7 / 3) < 1e-12  # squares sum to 14/3, over n - 1 = 2
    assert summary.n == 3


def test_one_value_has_no_spread_and_none_has_no_mean():
    assert summarise([5.0]) == Summary(5.0, None, 1)
    assert summarise([]) == Summary(None, None, 0)
    assert summarise([5.0]).text == "5.0"
    assert summarise([]).text == ""


def test_near_the_baseline_means_less_than_three_points_or_two_spreads_above():
    assert near_baseline(Summary(47.9, 0.1, 3), 45.0)
    assert not near_baseline(Summary(48.1, 0.1, 3), 45.0)
    assert near_baseline(Summary(54.9, 5.0, 3), 45.0)
    assert not near_baseline(Summary(55.1, 5.0, 3), 45.0)
    assert near_baseline(Summary(30.0, 0.1, 3), 45.0)  # below is no better
    assert not near_baseline(Summary(None, None, 0), 45.0)
    assert not near_baseline(Summary(46.0, None, 1), None)
