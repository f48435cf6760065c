import math

import pytest
import torch

from retort.distill.lenses import FirstToken, Gram, Project, Unit
from retort.models.features import Shape

SMALL, LARGE = Shape(2, 6, 2, 10), Shape(4, 8, 4, 10)


def test_projection_goes_from_student_to_teacher_width():
    lens = Project()
    module = lens.build(SMALL, LARGE)
    assert module.weight.shape == (8, 6) and module.bias.shape == (8,)
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(lens(x, module), x @ module.weight.T + module.bias)
    assert lens.side == "student"
    assert Project(bias=False).build(SMALL, LARGE).bias is None


def test_projection_exists_even_between_equal_widths():
    assert Project().build(SMALL, SMALL).weight.shape == (6, 6)


@pytest.mark.parametrize("lens", [FirstToken(), Unit(), Gram(2)])
def test_other_lenses_learn_nothing_and_act_on_both_sides(lens):
    assert lens.build(SMALL, LARGE) is None and lens.side == "both"


def test_first_token_and_unit_length():
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(FirstToken()(x, None), x[:, 0])
    torch.testing.assert_close(Unit()(x, None).norm(dim=-1), torch.ones(2, 3))
    assert not Unit()(torch.zeros(1, 4), None).any()


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_gram_is_dot_products_within_groups(heads):
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    found = Gram(heads)(x, None)
    size = 8 // heads
    assert found.shape == (2, heads, 5, 5)
    for head in range(heads):
        part = x[..., head * size : (head + 1) * size]
        torch.testing.assert_close(found[:, head], part @ part.transpose(1, 2) / math.sqrt(size))


def test_gram_compares_models_of_different_width():
    small, large = torch.randn(2, 5, 6), torch.randn(2, 5, 8)
    assert Gram(2)(small, None).shape == Gram(2)(large, None).shape


def test_gram_ignores_rotations_within_a_head():
    x = torch.randn(1, 5, 4, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    torch.testing.assert_close(Gram(1)(x @ rotation, None), Gram(1)(x, None))
