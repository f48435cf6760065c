import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.layermaps import (
    AllToAll,
    BlockEnds,
    Joint,
    Last,
    Pair,
    RandomGroup,
    RandomSubset,
    Uniform,
    blocks,
    segment_ends,
)
from retort.distill.schedules import Clock
from retort.errors import InputError

START = Clock(0, 1)


@pytest.fixture(scope="module")
def stored(golden):
    return json.loads((golden / "glmd" / "layer_mapping.json").read_text())


def test_segments_equal_the_authors(stored):
    for name, boundaries in stored["uniform_segments"].items():
        students, teachers = map(int, re.fullmatch(r"S(\d+)_L(\d+)", name).groups())
        assert segment_ends(teachers, students) == boundaries[1:], name


@pytest.mark.parametrize("sizes", [(4, 10), (4, 12), (6, 12), (6, 24)])
def test_tinybert_taps_the_layers_that_the_authors_tap(stored, sizes):
    students, teachers = sizes
    hooks = stored["hooks"][f"tinybert_S{students}_L{teachers}"]
    for side, depth, index in (("student", students, 0), ("teacher", teachers, 1)):
        scores, hidden = set(), {depth} if "output" in hooks[side]["transformer"] else set()
        for number, taps in hooks[side]["transformer"]["layers"].items():
            if "attention_scores" in taps:
                scores.add(int(number) + 1)
            if "layernorm_output" in taps:
                hidden.add(int(number))
        assert {pair[index][0] for pair in Uniform().pairs(START, students, teachers)} == scores
        assert {pair[index][0] for pair in Uniform(embedding=True).pairs(START, students, teachers)} == hidden


@given(st.integers(1, 48), st.integers(1, 48))
def test_segments_cover_all_layers(layers, groups):
    if groups > layers:
        with pytest.raises(InputError, match=f"{groups} student layers cannot be spread over {layers}"):
            segment_ends(layers, groups)
        return
    ends = segment_ends(layers, groups)
    sizes = [b - a for a, b in zip([0, *ends], ends, strict=False)]
    assert ends[-1] == layers and len(ends) == groups
    assert min(sizes) >= 1 and sizes == sorted(sizes, reverse=True)


def test_uneven_depths_are_greedy_not_proportional():
    assert segment_ends(10, 4) == [3, 6, 9, 10]
    assert segment_ends(4, 3) == [2, 3, 4]


def test_options_of_the_uniform_map():
    assert Uniform().pairs(START, 2, 4) == [Pair((1,), (2,)), Pair((2,), (4,))]
    assert Uniform(embedding=True).pairs(START, 2, 4)[0] == Pair((0,), (0,))
    assert Uniform(last=False).pairs(START, 2, 4) == [Pair((1,), (2,))]
    assert Uniform().pairs(START, 3, 3) == [Pair((i,), (i,)) for i in (1, 2, 3)]


def test_last_layers():
    assert Last().pairs(START, 6, 24) == [Pair((6,), (24,))]


def test_parts_of_the_uniform_map():
    assert Uniform(embedding=True, stop=2).pairs(START, 4, 8) == [Pair((0,), (0,)), Pair((1,), (2,))]
    assert Uniform(embedding=True, start=3).pairs(START, 4, 8) == [Pair((3,), (6,)), Pair((4,), (8,))]


def test_maps_of_many_layers_at_once():
    assert AllToAll().pairs(START, 2, 3) == [Pair((1,), (1, 2, 3)), Pair((2,), (1, 2, 3))]
    assert AllToAll(last=False).pairs(START, 2, 3) == [Pair((1,), (1, 2))]
    assert Joint(Uniform(embedding=True)).pairs(START, 2, 4) == [Pair((0, 1, 2), (0, 2, 4))]


@given(st.integers(0, 99), st.integers(2, 6), st.integers(1, 4))
def test_random_subsets_hold_for_an_epoch(seed, students, factor):
    teachers = students * factor
    clocks = [Clock(step, 100, epoch=step // 10, seed=seed) for step in range(100)]
    drawn = [RandomSubset().pairs(clock, students, teachers) for clock in clocks]
    for step, (pair,) in enumerate(drawn):
        assert pair.student == tuple(range(1, students))
        assert len(set(pair.teacher)) == len(pair.student) and list(pair.teacher) == sorted(pair.teacher)
        assert all(1 <= layer < teachers for layer in pair.teacher)
        assert drawn[step] == drawn[step - step % 10]
    if factor > 1:
        assert len({pairs[0].teacher for pairs in drawn}) > 1


def test_random_groups_are_whole_segments_and_change_step_by_step():
    found = {RandomGroup().pairs(Clock(step, 50), 2, 5)[0] for step in range(50)}
    assert found == {Pair((1,), (1, 2, 3)), Pair((2,), (4, 5))}


RELEASED = {
    (3, 12): [4, 8, 12],
    (4, 12): [3, 6, 9, 12],
    (6, 12): [2, 4, 6, 8, 10, 12],
    (12, 12): list(range(1, 13)),
    (8, 12): [2, 3, 5, 6, 8, 9, 11, 12],
    (16, 12): [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12, 12],
    (2, 12): [6, 12],
}


@pytest.mark.parametrize("depths", RELEASED, ids=str)
def test_ends_of_blocks_are_the_layers_that_the_cka_scripts_compare(depths):
    expected = [Pair((i,), (t,)) for i, t in enumerate(RELEASED[depths], start=1)]
    assert BlockEnds().pairs(START, *depths) == expected
    assert BlockEnds(embedding=True).pairs(START, *depths) == [Pair((0,), (0,)), *expected]


@given(st.integers(1, 30), st.integers(1, 30))
def test_ends_of_blocks_never_fall_and_meet_at_the_ends(students, teachers):
    number, ours, theirs = blocks(students, teachers)
    assert number * ours == students and number * theirs == teachers
    pairs = BlockEnds().pairs(START, students, teachers)
    assert [pair.student[0] for pair in pairs] == list(range(1, students + 1))
    layers = [pair.teacher[0] for pair in pairs]
    assert layers == sorted(layers) and layers[-1] == teachers and layers[0] >= 1
    assert layers[ours - 1 :: ours] == list(range(theirs, teachers + 1, theirs))
    if teachers % students == 0:
        assert pairs == Uniform().pairs(START, students, teachers)
    assert len(set(layers)) == min(students, number * min(ours, theirs))
