import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.schedules import Clock, Constant, Linear, value_of


def test_progress_runs_from_zero_to_one():
    assert [Clock(step, 4).progress for step in (0, 1, 4)] == [0.0, 0.25, 1.0]


def test_linear_meets_both_ends_exactly():
    ramp = Linear(2.0, 5.0)
    assert (ramp(Clock(0, 10)), ramp(Clock(5, 10)), ramp(Clock(10, 10))) == (2.0, 3.5, 5.0)


def test_linear_stays_at_its_end():
    ramp = Linear(1.0, 0.0, until=0.5)
    assert [ramp(Clock(step, 8)) for step in (0, 2, 4, 6, 8)] == [1.0, 0.5, 0.0, 0.0, 0.0]


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 1), st.integers(1, 100), st.data())
def test_linear_stays_between_its_ends(start, end, until, total, data):
    value = Linear(start, end, until)(Clock(data.draw(st.integers(0, total)), total))
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 9))
def test_weights_depend_on_the_clock_alone(step, total, epoch):
    clock = Clock(step, total, epoch)
    assert value_of(Constant(0.3), clock) == value_of(0.3, clock) == 0.3
    ramp = Linear(0.0, 1.0)
    assert value_of(ramp, clock) == value_of(Linear(0.0, 1.0), Clock(step, total, 0))


def test_schedules_are_values():
    assert Linear(0.0, 1.0) == Linear(0.0, 1.0) and hash(Constant(1.0)) == hash(Constant(1.0))
    with pytest.raises(AttributeError):
        Constant(1.0).value = 2.0
