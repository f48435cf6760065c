"""Slices through a loss: against lines of arithmetic, and what must not change."""

import math

import pytest
import torch
from torch import nn

from retort.evaluation.landscape import direction, losses_along, moved


def model(seed=0):
    """A convolution, a word table with an empty row, a shared matrix, a norm and biases."""
    torch.manual_seed(seed)
    found = nn.ModuleDict(
        {
            "words": nn.Embedding(7, 6, padding_idx=1),
            "filters": nn.Conv1d(6, 4, 3),
            "mix": nn.Linear(4, 6),
            "norm": nn.LayerNorm(6),
            "head": nn.Linear(6, 7, bias=False),
        }
    ).double()
    found["head"].weight = found["words"].weight
    return found


def bits(module):
    return [value.clone() for value in module.state_dict().values()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_every_row_of_a_direction_is_as_long_as_that_of_the_weights():
    module = model()
    along, named = direction(module, 3), dict(module.named_parameters())
    assert set(along) == {"words.weight", "filters.weight", "mix.weight"}, "shared weights move once"
    for name, drawn in along.items():
        for row, weights in zip(drawn, named[name], strict=True):
            assert math.sqrt(sum(x * x for x in row.flatten().tolist())) == pytest.approx(
                math.sqrt(sum(x * x for x in weights.flatten().tolist())), rel=1e-12
            )
    assert not along["words.weight"][1].any(), "a row of zeros stays where it is"


def test_directions_are_those_of_the_seed_and_of_the_shapes():
    first, again, other = direction(model(), 3), direction(model(), 3), direction(model(), 4)
    assert same(first.values(), again.values())
    assert not any(torch.equal(a, b) for a, b in zip(first.values(), other.values(), strict=True))
    # Weights of other sizes: the same way, as long as those.
    wider = model(1)
    for name, drawn in direction(wider, 3).items():
        for row, before in zip(drawn.flatten(1), first[name].flatten(1), strict=True):
            if row.any():
                assert torch.allclose(row / row.norm(), before / before.norm(), atol=1e-12)


def test_rows_are_no_likelier_to_grow_than_to_shrink():
    """What makes a slice a random one: weights and direction are all but orthogonal in many dimensions."""
    module = nn.Linear(4000, 50, bias=False).double()
    along = direction(module, 0)["weight"]
    cosines = torch.cosine_similarity(along, module.weight.detach())
    assert cosines.abs().max() < 5 / math.sqrt(4000) and (cosines > 0).any() and (cosines < 0).any()


def naive(module, along, point):
    """The loss of a model whose weights are written anew, number by number."""
    other = model(5)
    named = dict(module.named_parameters())
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            moves = along.get(name, torch.zeros_like(parameter))
            flat = [
                w + point * d
                for w, d in zip(named[name].flatten().tolist(), moves.flatten().tolist(), strict=True)
            ]
            parameter.copy_(torch.tensor(flat, dtype=parameter.dtype).view_as(parameter))
    return loss_of(other)


def loss_of(module):
    """Some number that all parameters have a part in."""
    ids = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 2]])
    states = module["filters"](module["words"](ids).transpose(1, 2)).transpose(1, 2)
    states = module["norm"](torch.tanh(module["mix"](states)))
    return torch.logsumexp(module["head"](states), -1).sum().item()


def test_losses_are_those_of_models_written_anew():
    module, points = model(), (-1.0, -0.25, 0.0, 0.5)
    along = direction(module, 1)
    found = losses_along(module, along, points, lambda: loss_of(module))
    assert found == pytest.approx([naive(module, along, point) for point in points], rel=1e-12)
    assert found[2] == loss_of(module), "at 0 it is the model's own, to the last bit"
    assert len({round(loss, 6) for loss in found}) == len(points)


def test_a_quadratic_loss_is_a_parabola():
    """The rise is half the curvature along the direction times the square of the way."""
    module = nn.Linear(5, 3, bias=False).double()
    target = module.weight.detach().clone()
    along = direction(module, 2)
    points = (-0.4, -0.2, 0.0, 0.2, 0.4)
    found = losses_along(module, along, points, lambda: 0.5 * (module.weight - target).square().sum().item())
    whole = target.square().sum().item()
    assert found == pytest.approx([0.5 * point**2 * whole for point in points], abs=1e-12)


def test_the_model_is_what_it_was_bit_by_bit():
    module = model().float()
    before = bits(module)
    losses_along(module, direction(module, 0), [0.1, 1e6, -0.3], lambda: 0.0)
    assert same(bits(module), before)
    with pytest.raises(ZeroDivisionError), moved(module, direction(module, 0), 0.7):
        assert not same(bits(module), before)
        _ = 1 / 0
    assert same(bits(module), before)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
