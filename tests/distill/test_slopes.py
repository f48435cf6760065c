"""Distances that know their own gradient give what autograd gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.distances import KL, MSE, ReverseKL, Sloped, SoftCrossEntropy
from retort.distill.divergences import GeneralisedJSD, SkewKL, SkewReverseKL, TotalVariation


def agree(distance, scale, shape, seed, near, near_slope):
    """Compares value and slope on random logits with autograd's; returns the slope."""
    random = torch.Generator().manual_seed(seed)
    student, teacher = (scale * torch.randn(*shape, generator=random).double() for _ in range(2))
    leaf = student.clone().requires_grad_()
    naive = distance(leaf, teacher)
    naive.sum().backward()
    value, slope = distance.with_slope(student.clone(), teacher.clone())
    torch.testing.assert_close(value, naive.detach(), rtol=1e-9, atol=near)
    torch.testing.assert_close(slope, leaf.grad, rtol=1e-9, atol=near_slope)
    return slope


@given(
    st.integers(1, 6),
    st.integers(2, 30),
    st.floats(0.1, 50),
    st.booleans(),
    st.floats(0.01, 100),
    st.integers(0, 2**31),
)
def test_the_slope_of_kl_is_its_gradient(rows, words, temperature, squared, scale, seed):
    distance = KL(temperature, squared)
    size = float(temperature**2 if squared else 1)
    agree(distance, scale, (rows, words), seed, 1e-9 * size, 1e-12 * size)


@given(st.integers(1, 6), st.integers(2, 30), st.floats(0.1, 50), st.floats(0.01, 20), st.integers(0, 2**31))
def test_the_slope_of_reverse_kl_is_its_gradient(rows, words, temperature, scale, seed):
    distance = ReverseKL(temperature)
    size = max(1.0, temperature**2)
    agree(distance, scale, (rows, words), seed, 1e-9 * size, 1e-11 * size)


MIXED = {
    "total variation": lambda share: TotalVariation(),
    "JSD": GeneralisedJSD,
    "skew KL": SkewKL,
    "skew reverse KL": SkewReverseKL,
}


@pytest.mark.parametrize("name", MIXED)
@given(
    st.integers(1, 6),
    st.integers(2, 30),
    st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9, 0.99]),
    st.floats(0.01, 30),
    st.integers(0, 2**31),
)
def test_the_slope_of_a_mixture_is_its_gradient(name, rows, words, share, scale, seed):
    slope = agree(MIXED[name](share), scale, (rows, words), seed, 1e-9, 1e-11)
    torch.testing.assert_close(slope.sum(-1), torch.zeros(rows).double(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("gap", [200.0, 1e4])
def test_the_slope_of_a_mixture_is_finite_where_nothing_is_shared(name, gap):
    """One is sure of the first word, the other of the second; and where both are sure of the same."""
    sure = torch.tensor([[gap, 0.0, 0.0], [0.0, gap, 0.0]])
    for teacher in (sure.flip(0), sure):
        for share in (0.0, 0.1, 0.5):
            value, slope = MIXED[name](share).with_slope(sure.clone(), teacher.clone())
            assert value.isfinite().all() and slope.isfinite().all(), (share, value, slope)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_logits_are_compared_in_float32(dtype):
    student, teacher = torch.randn(4, 9).to(dtype), torch.randn(4, 9).to(dtype)
    value, slope = KL(2.0).with_slope(student, teacher)
    assert value.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(value, KL(2.0)(student.float(), teacher.float()))


def test_who_has_a_slope():
    assert isinstance(KL(), Sloped) and isinstance(ReverseKL(), Sloped)
    assert all(isinstance(make(0.5), Sloped) for make in MIXED.values())
    assert not isinstance(MSE(), Sloped) and not isinstance(SoftCrossEntropy(), Sloped)
