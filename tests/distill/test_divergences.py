"""Divergences of word distributions: plain formulas, bounds, limits, logits that lie far apart."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.distances import KL, ReverseKL
from retort.distill.divergences import (
    AlphaBeta,
    GeneralisedJSD,
    Jeffreys,
    SkewKL,
    SkewReverseKL,
    TotalVariation,
)

SEEDS = st.integers(0, 2**31)
INSIDE = st.floats(0.01, 0.99)
EVERY = [
    TotalVariation(),
    *(GeneralisedJSD(beta) for beta in (0.0, 0.1, 0.5, 0.9, 1.0)),
    *(Jeffreys(share) for share in (0.0, 0.9, 1.0)),
    *(SkewKL(alpha) for alpha in (0.0, 0.1)),
    *(SkewReverseKL(alpha) for alpha in (0.0, 0.1)),
    *(AlphaBeta(*pair) for pair in ((1, 0), (0, 1), (0.2, 0.7), (0.5, 0.5), (2, 1), (0.3, 0), (0, 0.3))),
]


def problem(seed, scale=2.0, rows=4, vocabulary=13):
    g = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(rows, vocabulary, generator=g).double() for _ in range(2)]


def kl(p, q):
    return (p * (p / q).log()).sum(-1)


def same(found, expected, tolerance=1e-9):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=1e-12)


@given(SEEDS, INSIDE)
def test_formulas_in_probabilities(seed, share):
    student, teacher = problem(seed)
    q, p = student.softmax(-1), teacher.softmax(-1)
    same(TotalVariation()(student, teacher), (p - q).abs().sum(-1) / 2)
    m = share * p + (1 - share) * q
    same(GeneralisedJSD(share)(student, teacher), share * kl(p, m) + (1 - share) * kl(q, m))
    same(Jeffreys(share)(student, teacher), share * kl(p, q) + (1 - share) * kl(q, p))
    same(SkewKL(share)(student, teacher), kl(p, share * p + (1 - share) * q))
    same(SkewReverseKL(share)(student, teacher), kl(q, share * q + (1 - share) * p))


@given(SEEDS, st.floats(0.05, 2), st.floats(0.05, 2))
def test_the_alpha_beta_divergence_in_probabilities(seed, alpha, beta):
    student, teacher = problem(seed)
    q, p = student.softmax(-1), teacher.softmax(-1)
    total = alpha + beta
    parts = p**alpha * q**beta - alpha / total * p**total - beta / total * q**total
    same(AlphaBeta(alpha, beta)(student, teacher), -parts.sum(-1) / (alpha * beta), 1e-8)


@given(SEEDS)
def test_limits_are_kl_and_reverse_kl(seed):
    """At the ends exactly, near them nearly, in value and gradient."""
    student, teacher = problem(seed, scale=1.0)
    tiny = 1e-5
    near = {
        KL(): (
            [GeneralisedJSD(0.0), SkewKL(0.0), Jeffreys(1.0), AlphaBeta(1.0, 0.0)],
            [(GeneralisedJSD(tiny), tiny), (SkewKL(tiny), 1.0), (AlphaBeta(1.0, tiny), 1.0)],
        ),
        ReverseKL(): (
            [GeneralisedJSD(1.0), SkewReverseKL(0.0), Jeffreys(0.0), AlphaBeta(0.0, 1.0)],
            [(GeneralisedJSD(1 - tiny), tiny), (SkewReverseKL(tiny), 1.0), (AlphaBeta(tiny, 1.0), 1.0)],
        ),
    }
    for whole, (ends, neighbours) in near.items():
        expected, slope = value_and_gradient(whole, student, teacher)
        for end in ends:
            for found, wanted in zip(
                value_and_gradient(end, student, teacher), (expected, slope), strict=True
            ):
                torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
        for neighbour, size in neighbours:
            value, gradient = value_and_gradient(neighbour, student, teacher)
            torch.testing.assert_close(value / size, expected, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(gradient / size, slope, rtol=1e-2, atol=1e-3)


def value_and_gradient(by, student, teacher):
    leaf = student.clone().requires_grad_()
    value = by(leaf, teacher)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


@given(SEEDS, st.floats(0.1, 50))
def test_bounds(seed, scale):
    student, teacher = problem(seed, scale)
    for by in EVERY:
        assert (by(student, teacher) >= -1e-12).all(), by
    assert (TotalVariation()(student, teacher) <= 1 + 1e-12).all()
    assert (GeneralisedJSD(0.5)(student, teacher) <= math.log(2) + 1e-12).all()
    for alpha in (0.1, 0.5):
        for by in (SkewKL(alpha), SkewReverseKL(alpha)):
            assert (by(student, teacher) <= -math.log(alpha) + 1e-12).all()


@given(SEEDS, INSIDE)
def test_swapping_the_models(seed, share):
    student, teacher = problem(seed)
    same(GeneralisedJSD(share)(student, teacher), GeneralisedJSD(1 - share)(teacher, student))
    same(Jeffreys(share)(student, teacher), Jeffreys(1 - share)(teacher, student))
    same(SkewKL(share)(student, teacher), SkewReverseKL(share)(teacher, student))
    same(AlphaBeta(share, 0.4)(student, teacher), AlphaBeta(0.4, share)(teacher, student))
    same(TotalVariation()(student, teacher), TotalVariation()(teacher, student))


@pytest.mark.parametrize("by", EVERY, ids=str)
def test_equal_models_have_nothing_to_learn(by):
    student, _ = problem(1)
    value, gradient = value_and_gradient(by, student, student)
    assert value.abs().max() < 1e-12 and gradient.abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [20.0, 200.0, 1e4])
@pytest.mark.parametrize("by", EVERY, ids=str)
def test_logits_far_apart_break_nothing(by, gap, dtype):
    student, teacher = (x.to(dtype) for x in problem(2))
    student[0, 3] += gap
    student[1, 3] -= gap
    teacher[2, 5] += gap
    student[3, 1], teacher[3, 2] = gap, gap
    value, gradient = value_and_gradient(by, student, teacher)
    assert torch.isfinite(value).all() and torch.isfinite(gradient).all()
    wide, _ = value_and_gradient(by, student.double(), teacher.double())
    torch.testing.assert_close(
        value.double(), wide, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=1e-5
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: GeneralisedJSD(1.1),
        lambda: Jeffreys(-0.1),
        lambda: SkewKL(1.0),
        lambda: SkewReverseKL(-1.0),
        lambda: AlphaBeta(0.0, 0.0),
        lambda: AlphaBeta(-0.5, 1.0),
    ],
)
def test_parameters_that_make_no_divergence_are_refused(make):
    with pytest.raises(ValueError, match=r"from 0 to (less than )?1, not|0 or more, and not both 0"):
        make()


def test_narrow_logits_are_compared_in_float32():
    student, teacher = (x.to(torch.bfloat16) for x in problem(3))
    for by in EVERY:
        found = by(student, teacher)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, by(student.float(), teacher.float()))
