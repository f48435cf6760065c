from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.schedules import (
    Clock,
    Complement,
    Curriculum,
    Linear,
    MeanOverPairs,
    Place,
    RampThenOne,
    Scaled,
    Steps,
    value_of,
)


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


CURVES = [Linear(0.0, 1.0), Steps(7), RampThenOne(0.75, 0.666), Curriculum(0.8, 0.1, 1.0)]


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 9), st.sampled_from(CURVES))
def test_weights_depend_on_the_clock_alone(step, total, epoch, curve):
    clock = Clock(step, total, epoch)
    assert value_of(0.3, clock) == 0.3
    assert value_of(curve, clock) == curve(Clock(step, total, 0))


@given(st.integers(0, 20), st.floats(-3, 3), st.sampled_from(CURVES))
def test_schedules_are_scaled_and_complemented_value_by_value(step, factor, curve):
    clock, place = Clock(step, 20), Place(1, 3)
    assert (factor * curve)(clock, place) == (curve * factor)(clock, place) == factor * curve(clock, place)
    assert Complement(curve)(clock, place) == 1 - curve(clock, place)


def test_schedules_are_values():
    assert Linear(0.0, 1.0) == Linear(0.0, 1.0) and hash(Steps(3)) == hash(Steps(3))
    assert 2 * Steps(3) == Scaled(Steps(3), 2)
    with pytest.raises(FrozenInstanceError):
        Steps(1).number = 2


def test_steps_climb_in_equal_parts_of_the_run():
    assert [Steps(4)(Clock(step, 8)) for step in range(8)] == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0]
    assert Steps(4)(Clock(8, 8)) == 1.0


def test_a_ramp_jumps_to_one_after_its_cut():
    assert [RampThenOne(0.5, 0.5)(Clock(step, 4)) for step in range(5)] == [0.0, 0.125, 0.25, 1.0, 1.0]


def test_a_curriculum_adds_one_layer_at_a_time_and_then_its_task():
    curve = Curriculum(until=1.0, past=0.1, after=0.5)
    weights = [[curve(Clock(step, 4), Place(layer, 3)) for layer in (1, 2, 3)] for step in range(4)]
    assert weights == [[1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.1, 0.1, 1.0], [0.5, 0.5, 0.5]]
    assert [curve.task(Clock(step, 4), Place(-1, 3)) for step in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_random_draws_repeat_for_a_moment_and_differ_between_moments():
    def drawn(clock, purpose="x", each="step"):
        return clock.draw(purpose, each).random()

    now = Clock(3, 10, 1, 5)
    assert drawn(now) == drawn(Clock(3, 99, 1, 5))
    others = [drawn(Clock(4, 10, 1, 5)), drawn(Clock(3, 10, 1, 6)), drawn(now, "y")]
    assert len({drawn(now), *others}) == 4
    assert drawn(now, each="epoch") == drawn(Clock(4, 10, 1, 5), each="epoch")
    assert drawn(now, each="epoch") != drawn(Clock(3, 10, 2, 5), each="epoch")


def test_a_mean_over_pairs_weighs_each_pair_alike():
    assert [MeanOverPairs()(Clock(0, 1), Place(1, 6, pairs)) for pairs in (1, 2, 5)] == [1, 0.5, 0.2]
    assert (100 * MeanOverPairs())(Clock(3, 9), Place(2, 6, 4)) == 25
