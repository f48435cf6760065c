import math

import pytest
import torch

from retort.distill.layermaps import Pair
from retort.distill.lenses import (
    Attend,
    Concat,
    FirstToken,
    Gram,
    Log,
    MeanTokens,
    Moment,
    Project,
    Stack,
    Times,
    Unit,
    Widths,
)
from retort.distill.schedules import Clock, Linear

ONE = Pair((1,), (2,))
START = Clock(0, 1)
SMALL_TO_LARGE = Widths((6,), (8,))


def moment(pair=ONE, modules=None, heads=(2, 4), clock=START):
    valid = torch.ones(2, 5, dtype=torch.bool)
    return Moment(clock, pair, valid, {"student": heads[0], "teacher": heads[1]}, modules or {})


def through(step, ours, theirs, **known):
    """One tensor a side through a step."""
    (mine,), (other,) = step([ours], [theirs], moment(**known))
    return mine, other


def test_projection_goes_from_student_to_teacher_width():
    lens = Project()
    modules = lens.build(SMALL_TO_LARGE, ONE)
    assert list(modules) == ["student"]
    module = modules["student"]
    assert module.weight.shape == (8, 6) and module.bias.shape == (8,)
    x, other = torch.randn(2, 3, 6), torch.randn(2, 3, 8)
    mine, same = through(lens, x, other, modules=modules)
    torch.testing.assert_close(mine, x @ module.weight.T + module.bias)
    assert same is other
    assert lens.side == "student" and lens.widths(SMALL_TO_LARGE) == Widths((8,), (8,))
    assert Project(bias=False).build(SMALL_TO_LARGE, ONE)["student"].bias is None


def test_projection_exists_even_between_equal_widths():
    assert Project().build(Widths((6,), (6,)), ONE)["student"].weight.shape == (6, 6)


def test_projections_of_either_side_to_any_width():
    down = Project(side="teacher", to="student").build(SMALL_TO_LARGE, ONE)
    assert {name: tuple(m.weight.shape) for name, m in down.items()} == {"teacher": (6, 8)}
    both = Project(side="both", to=3)
    made = both.build(SMALL_TO_LARGE, ONE)
    assert {name: tuple(m.weight.shape) for name, m in made.items()} == {"student": (3, 6), "teacher": (3, 8)}
    assert both.widths(SMALL_TO_LARGE) == Widths((3,), (3,))
    mine, other = through(both, torch.randn(2, 6), torch.randn(2, 8), modules=made)
    assert mine.shape == other.shape == (2, 3)


def test_a_projection_of_its_own_for_every_layer():
    lens, pair = Project(side="both", to="student", per_layer=True), Pair((3,), (5, 6))
    made = lens.build(Widths((6,), (8, 8)), pair)
    assert {name: tuple(m.weight.shape) for name, m in made.items()} == {
        "student3": (6, 6),
        "teacher5": (6, 8),
        "teacher6": (6, 8),
    }
    ours, theirs = [torch.randn(2, 6)], [torch.randn(2, 8), torch.randn(2, 8)]
    mine, others = lens(ours, theirs, moment(pair, made))
    torch.testing.assert_close(mine[0], made["student3"](ours[0]))
    for name, found, x in zip(("teacher5", "teacher6"), others, theirs, strict=True):
        torch.testing.assert_close(found, made[name](x))


@pytest.mark.parametrize("lens", [FirstToken(), MeanTokens(), Unit(), Log()])
def test_other_lenses_learn_nothing_and_act_on_both_sides(lens):
    assert lens.build(SMALL_TO_LARGE, ONE) == {} and lens.side == "both"
    assert lens.widths(SMALL_TO_LARGE) == SMALL_TO_LARGE
    x = torch.rand(2, 3, 6) + 0.1
    mine, other = through(lens, x, 2 * x)
    torch.testing.assert_close(mine, lens.look(x, "student", 0, moment()))
    torch.testing.assert_close(other, lens.look(2 * x, "teacher", 0, moment()))


def test_first_token_mean_and_unit_length():
    x, y = torch.randn(2, 3, 6), torch.randn(2, 3, 8)
    torch.testing.assert_close(through(FirstToken(), x, y), (x[:, 0], y[:, 0]))
    torch.testing.assert_close(through(MeanTokens(), x, y), (x.mean(1), y.mean(1)))
    for unit in through(Unit(), x, y):
        torch.testing.assert_close(unit.norm(dim=-1), torch.ones(2, 3))
    assert not through(Unit(), torch.zeros(1, 4), y)[0].any()


def test_annealed_targets_follow_the_clock_and_leave_the_student_alone():
    x = torch.randn(2, 3)
    mine, other = through(Times(schedule=Linear(0.0, 1.0)), x, x, clock=Clock(1, 4))
    assert mine is x
    torch.testing.assert_close(other, 0.25 * x)


def test_a_softmax_of_logarithms_is_the_probabilities():
    p = torch.tensor([[0.25, 0.75, 0.0]])
    mine, _ = through(Log(), p, p)
    assert torch.isfinite(mine).all()
    torch.testing.assert_close(mine.softmax(-1), p)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_gram_is_dot_products_within_groups(heads):
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    size = 8 // heads
    for found in through(Gram(size), x, x):
        assert found.shape == (2, heads, 5, 5)
        for head in range(heads):
            part = x[..., head * size : (head + 1) * size]
            torch.testing.assert_close(found[:, head], part @ part.transpose(1, 2) / math.sqrt(size))


def test_gram_compares_models_of_different_width():
    small, large = through(Gram(4), torch.randn(2, 5, 6), torch.randn(2, 5, 8))
    assert small.shape == large.shape == (2, 2, 5, 5)
    assert Gram(4).build(SMALL_TO_LARGE, ONE) == {}


def test_gram_takes_the_models_own_heads_where_none_are_given():
    small, large = through(Gram(), torch.randn(2, 5, 6), torch.randn(2, 5, 8), heads=(3, 4))
    assert small.shape == (2, 3, 5, 5) and large.shape == (2, 4, 5, 5)


def test_gram_ignores_rotations_within_a_head():
    x = torch.randn(1, 5, 4, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    torch.testing.assert_close(*through(Gram(4), x @ rotation, x))


def test_layers_are_joined_or_stacked():
    ours, theirs = [torch.randn(2, 3, 6) for _ in range(2)], [torch.randn(2, 3, 8) for _ in range(2)]
    widths, pair = Widths((6, 6), (8, 8)), Pair((1, 2), (2, 4))
    (mine,), (other,) = Concat()(ours, theirs, moment(pair))
    assert (mine.shape[-1], other.shape[-1]) == (12, 16) and Concat().widths(widths) == Widths((12,), (16,))
    torch.testing.assert_close(mine[..., 6:], ours[1])
    (mine,), (other,) = Stack()(ours, theirs, moment(pair))
    assert mine.shape == (2, 2, 3, 6) and Stack().widths(widths) == Widths((6,), (8,))
    torch.testing.assert_close(other[:, 1], theirs[1])


def test_attention_over_teacher_layers_is_a_softmax_of_dot_products():
    ours = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    theirs = [torch.randn(2, 6, dtype=torch.float64) for _ in range(3)]
    (mine,), (mixed,) = Attend()([ours], theirs, moment(Pair((1,), (1, 2, 3))))
    assert mine is ours and Attend().widths(Widths((6,), (6, 6, 6))) == Widths((6,), (6,))
    for row in range(2):
        weights = torch.stack([(x[row] * ours[row]).sum() for x in theirs]).softmax(0)
        torch.testing.assert_close(mixed[row], sum(w * x[row] for w, x in zip(weights, theirs, strict=True)))
    assert torch.autograd.grad(mixed.sum(), ours)[0].abs().sum() > 0
