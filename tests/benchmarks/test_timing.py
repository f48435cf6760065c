"""Alternatives are timed in turns, and compared with their neighbours."""

from retort.benchmarks.timing import alternate, ratio


def test_steps_take_turns_on_the_same_batches():
    seen = []
    steps = [lambda batch: seen.append(("a", batch)), lambda batch: seen.append(("b", batch))]
    took = alternate(steps, ["x", "y"], 2, warm_up=1)
    assert [len(times) for times in took] == [2, 2]
    assert seen == [("a", "x"), ("b", "x"), ("b", "y"), ("a", "y"), ("a", "x"), ("b", "x")]


def test_a_ratio_is_the_median_of_neighbours():
    assert ratio([2.0, 30.0, 2.2], [1.0, 10.0, 2.0]) == 2.0
