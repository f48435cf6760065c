import copy
import json
import math

import pytest
import torch
from text_models import ALL
from torch import nn

from retort.models.glm import GLM, GLMConfig
from retort.runs import Muon as MuonSettings
from retort.runs import Optimiser
from retort.training.optimisers import (
    Muon,
    build,
    decayed,
    hidden_matrix,
    learning_rate_factor,
    orthogonalise,
)

ADAM = Optimiser(1e-3, (0.9, 0.98), 1e-6, 0.1, None, "cosine", 0.1, 0.05)
MUON = MuonSettings(0.02, 0.95, 5, 0.1)


def settings(schedule, warmup, floor, decay_share=1.0):
    return Optimiser(1.0, (0.9, 0.999), 1e-8, 0.0, None, schedule, warmup, floor, decay_share)


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("finetune_readme", settings("linear", 0.1, 0.1)),
        ("pretrain_readme", settings("cosine", 0.05, 0.05, 1200 / 1500)),
    ],
)
def test_learning_rates_equal_the_authors(golden, name, curve):
    stored = json.loads((golden / "glmd" / "lr_schedule.json").read_text())[name]
    peak = 1e-5 if "finetune" in name else 1e-4
    found = [peak * learning_rate_factor(curve, step, stored["train_iters"]) for step in stored["iterations"]]
    assert found == pytest.approx(stored["lr"], rel=1e-9)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_curves_at_their_edges(schedule):
    curve = settings(schedule, 0.25, 0.1, 0.8)
    factor = [learning_rate_factor(curve, step, 100) for step in range(101)]
    assert factor[0] == 0.0 and factor[20] == 1.0 == max(factor)
    assert factor[80] == factor[100] == pytest.approx(1.0 if schedule == "constant" else 0.1)
    assert all(a >= b for a, b in zip(factor[20:], factor[21:], strict=False))
    assert learning_rate_factor(settings(schedule, 0.0, 0.1), 0, 100) == 1.0


def test_weight_decay_groups_equal_the_authors(golden):
    stored = json.loads((golden / "glmd" / "glm_init_stats.json").read_text())["weight_decay_groups_L2"]
    named = dict(GLM(GLMConfig(2, 8, 2, 11, 5)).named_parameters())
    assert {n for n, p in named.items() if decayed(n, p)} == set(stored["decay"])
    assert {n for n, p in named.items() if not decayed(n, p)} == set(stored["no_decay"])
    (adam,) = build(ADAM, named.items())
    decay, none = adam.param_groups
    assert [len(g["params"]) for g in (decay, none)] == [len(stored["decay"]), len(stored["no_decay"])]
    assert (decay["weight_decay"], none["weight_decay"]) == (0.1, 0.0)
    assert decay["peak"] == decay["lr"] == 1e-3


def test_frozen_parameters_are_left_alone():
    model = GLM(GLMConfig(1, 8, 2, 11, 5))
    model.word_embeddings.requires_grad_(False)
    (adam,) = build(ADAM, model.named_parameters())
    held = {id(p) for g in adam.param_groups for p in g["params"]}
    assert id(model.word_embeddings.weight) not in held
    assert len(held) == len(list(model.parameters())) - 1


def test_adamw_equals_the_textbook():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    bias = nn.Parameter(torch.randn(4, dtype=torch.float64))
    naive = [weight.detach().clone(), bias.detach().clone()]
    moments = [[torch.zeros_like(p), torch.zeros_like(p)] for p in naive]
    (adam,) = build(ADAM, [("a.weight", weight), ("a.bias", bias)])
    (b1, b2), eps, rate = ADAM.betas, ADAM.eps, 1e-3
    for step in range(1, 6):
        gradients = [torch.randn_like(p) for p in naive]
        weight.grad, bias.grad = gradients
        adam.step()
        for p, g, (m, v), decay in zip(naive, gradients, moments, (0.1, 0.0), strict=True):
            m.mul_(b1).add_((1 - b1) * g)
            v.mul_(b2).add_((1 - b2) * g * g)
            p.mul_(1 - rate * decay)
            p.sub_(rate * (m / (1 - b1**step)) / ((v / (1 - b2**step)).sqrt() + eps))
    torch.testing.assert_close(weight.detach(), naive[0], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(bias.detach(), naive[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    found = orthogonalise(torch.randn(5, *shape, dtype=torch.float64), 6)
    assert found.shape == (5, *shape)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3


def test_orthogonalisation_keeps_singular_vectors():
    torch.manual_seed(1)
    matrix = torch.randn(6, 4, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    projected = u.T @ orthogonalise(matrix[None], 6)[0] @ v.T
    off_diagonal = projected - torch.diag(projected.diagonal())
    assert off_diagonal.abs().max() < 1e-10
    assert (s > 0).all() and (projected.diagonal() > 0).all()


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_batches_equal_one_by_one(shape):
    torch.manual_seed(0)
    many = torch.randn(4, *shape, dtype=torch.float64)
    one_by_one = torch.cat([orthogonalise(m[None], 5) for m in many])
    torch.testing.assert_close(orthogonalise(many, 5), one_by_one)


def test_a_zero_matrix_stays_zero():
    assert not orthogonalise(torch.zeros(1, 4, 4), 5).any()


def test_muon_takes_the_hidden_matrices_only():
    model = GLM(GLMConfig(2, 8, 2, 11, 5))
    optimiser = Optimiser(1e-3, (0.9, 0.98), 1e-6, 0.1, None, "cosine", 0.1, 0.05, muon=MUON)
    muon, adam = build(optimiser, model.named_parameters())
    names = {id(p): n for n, p in model.named_parameters()}
    taken = {names[id(p)] for g in muon.param_groups for p in g["params"]}
    kinds = ("query_key_value", "attention.dense", "dense_h_to_4h", "dense_4h_to_h")
    assert taken == {n for n in names.values() if n.endswith(".weight") and any(k in n for k in kinds)}
    rest = {names[id(p)] for g in adam.param_groups for p in g["params"]}
    assert taken | rest == set(names.values()) and not taken & rest
    assert muon.param_groups[0]["peak"] == MUON.learning_rate


@pytest.mark.parametrize("make", ALL)
def test_muon_takes_the_linear_layers_of_every_transformers_family(make):
    model = make(2, 16).module
    inside = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and any(part.isdigit() for part in name.split("."))
    }
    assert len(inside) >= 2 * 4
    assert {name for name, p in model.named_parameters() if hidden_matrix(name, p)} == inside


def naive_muon(parameter, gradients, pieces):
    """Momentum with Nesterov's look-ahead, each piece orthogonalised by itself."""
    momentum = torch.zeros_like(parameter)
    for gradient in gradients:
        momentum = MUON.momentum * momentum + (1 - MUON.momentum) * gradient
        update = (1 - MUON.momentum) * gradient + MUON.momentum * momentum
        parts = [orthogonalise(part[None], MUON.newton_schulz_steps)[0] for part in update.chunk(pieces)]
        scale = math.sqrt(max(1.0, parts[0].shape[0] / parts[0].shape[1]))
        parameter = parameter * (1 - MUON.learning_rate * MUON.weight_decay)
        parameter = parameter - MUON.learning_rate * scale * torch.cat(parts)
    return parameter


def test_muon_equals_a_plain_reference_and_splits_the_fused_projection():
    torch.manual_seed(0)
    shapes = {"l.query_key_value.weight": (24, 8), "l.dense.weight": (8, 8), "l.h_to_4h.weight": (32, 8)}
    named = [(n, nn.Parameter(torch.randn(*s, dtype=torch.float64))) for n, s in shapes.items()]
    before = {n: p.detach().clone() for n, p in named}
    optimiser = Muon(named, MUON)
    gradients = {n: [torch.randn_like(p) for _ in range(3)] for n, p in named}
    for step in range(3):
        for n, p in named:
            p.grad = gradients[n][step].clone()
        optimiser.step()
    for n, p in named:
        pieces = 3 if "query_key_value" in n else 1
        torch.testing.assert_close(p.detach(), naive_muon(before[n], gradients[n], pieces))
    fused = naive_muon(before["l.query_key_value.weight"], gradients["l.query_key_value.weight"], 1)
    assert not torch.allclose(named[0][1].detach(), fused, atol=1e-3)


def test_muon_resumes_from_its_state():
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(4, 4))
    first = Muon([("a.weight", parameter)], MUON)
    parameter.grad = torch.randn(4, 4)
    first.step()
    twin = nn.Parameter(parameter.detach().clone())
    second = Muon([("a.weight", twin)], MUON)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    parameter.grad = torch.randn(4, 4)
    twin.grad = parameter.grad.clone()
    first.step()
    second.step()
    assert torch.equal(parameter, twin)


def test_a_parameter_without_gradient_does_not_move():
    parameter = nn.Parameter(torch.ones(2, 2))
    Muon([("a.weight", parameter)], MUON).step()
    assert torch.equal(parameter, torch.ones(2, 2))
