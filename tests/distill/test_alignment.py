"""CKA against other ways to compute it, and gathered over micro-batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.alignment import CKA, GatheredCKA
from retort.distill.schedules import Clock
from retort.training.probes import linear_cka

NOW = Clock(0, 1)


def states(seed, rows=3, length=6, width=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, length, width, generator=generator, dtype=torch.float64).to(dtype)


def mask(*lengths, length=6):
    return torch.arange(length)[None] < torch.tensor(lengths)[:, None]


def by_gram(student, teacher, where, squared=False):
    """The same through similarities of tokens: HSIC of centred Gram matrices."""
    x, y = student[where], teacher[where]
    centre = torch.eye(len(x), dtype=x.dtype) - 1 / len(x)
    grams = [centre @ (z @ z.T) @ centre for z in (x, y)]

    def hsic(k, m):
        return (k @ m).trace()

    ratio = hsic(*grams) / (hsic(grams[0], grams[0]) * hsic(grams[1], grams[1])).sqrt()
    return 1 - (ratio if squared else ratio.sqrt())


@given(st.integers(0, 2**31), st.booleans(), st.lists(st.integers(1, 6), min_size=3, max_size=3))
def test_values_and_gradients_are_those_of_the_gram_form(seed, squared, lengths):
    where = mask(*lengths)
    if where.sum() < 4:
        return
    x, y = states(seed).requires_grad_(), states(seed + 1, width=7)
    found = CKA(squared=squared, eps=0.0).rows(x, y, where, NOW)
    assert found.shape == (3,) and (found == found[0]).all()
    naive = by_gram(x, y, where, squared)
    torch.testing.assert_close(found[0], naive, rtol=1e-8, atol=1e-9)
    ours, other = (torch.autograd.grad(loss, x)[0] for loss in (found.mean(), naive))
    torch.testing.assert_close(ours, other, rtol=1e-6, atol=1e-8)


def test_it_is_the_textbook_number():
    x, y, where = states(0), states(1, width=7), mask(6, 4, 2)
    found = CKA(squared=True).rows(x, y, where, NOW)[0]
    torch.testing.assert_close(found, 1 - linear_cka(x[where], y[where]), rtol=1e-7, atol=0)
    root = CKA().rows(x, y, where, NOW)[0]
    torch.testing.assert_close(root, 1 - (1 - found).sqrt(), rtol=1e-7, atol=0)


def test_padding_does_not_matter():
    x, y, where = states(0), states(1), mask(6, 4, 2)
    before = CKA().rows(x, y, where, NOW)
    for tensor in (x, y):
        tensor[~where] = 1e3
    torch.testing.assert_close(CKA().rows(x, y, where, NOW), before)


@given(st.integers(0, 2**31), st.floats(0.01, 100), st.floats(-5, 5))
def test_turns_scales_and_shifts_change_nothing(seed, scale, shift):
    x, y, where = states(seed), states(seed + 1, width=7), mask(6, 5, 6)
    turn = torch.linalg.qr(states(seed + 2, 1, 5, 5)[0])[0]
    found = CKA(eps=0.0).rows(scale * x @ turn + shift, y, where, NOW)
    torch.testing.assert_close(found, CKA(eps=0.0).rows(x, y, where, NOW), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("precision", [64, 32])
@pytest.mark.parametrize("squared", [True, False])
def test_features_that_do_not_vary_give_one_and_no_gradient(precision, squared):
    by = CKA(squared, precision)
    still, y = torch.ones(1, 6, 5, dtype=torch.float64), states(1, 1)
    for x, where in ((still, mask(6)), (states(0, 1), mask(1)), (states(0, 1), mask(0))):
        x = x.requires_grad_()
        loss = by.rows(x, y, where, NOW).mean()
        (gradient,) = torch.autograd.grad(loss, x)
        assert loss == 1 and not gradient.any()
        gathering = GatheredCKA(squared)
        everywhere = gathering.gathered(x, y, where).detach()
        loss = gathering.rows_of_all(x, y, where, everywhere, 1.0).mean()
        assert abs(loss - 1) < 1e-6 and torch.isfinite(torch.autograd.grad(loss, x)[0]).all()


def test_single_precision_is_close_to_double():
    x, y, where = (
        states(0, 8, 30, 16, torch.float32),
        states(1, 8, 30, 24, torch.float32),
        mask(*[30] * 8, length=30),
    )
    double, single = (CKA(precision=bits).rows(x, y, where, NOW)[0] for bits in (64, 32))
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    assert abs(double - single) < 1e-6


def test_few_samples_look_alike_whatever_they_are():
    """Finite-sample bias: independent features of 16 and 24 dimensions."""
    found = [
        CKA().rows(states(3, 1, n, 16), states(4, 1, n, 24), mask(n, length=n), NOW)[0].item()
        for n in (8, 32, 128, 512, 2048)
    ]
    assert found == sorted(found)
    assert found[0] < 0.3 and found[-1] > 0.85


# Gathered over micro-batches


def parts(x, sizes):
    return x.split(sizes)


@given(st.integers(0, 2**31), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_gathered_parts_are_the_whole(seed, sizes, squared):
    rows = sum(sizes)
    lengths = torch.randint(2, 7, (rows,), generator=torch.Generator().manual_seed(seed)).tolist()
    x, y, where = states(seed, rows).requires_grad_(), states(seed + 1, rows, width=7), mask(*lengths)
    by = GatheredCKA(squared=squared)
    whole = CKA(squared=squared).rows(x, y, where, NOW).mean()
    (expected,) = torch.autograd.grad(whole, x)
    cut = list(zip(parts(x, sizes), parts(y, sizes), parts(where, sizes), strict=True))
    everywhere = torch.stack([by.gathered(*part).detach() for part in cut]).sum(0)
    total = sum(by.rows_of_all(*part, everywhere, len(part[0]) / rows).sum() / rows for part in cut)
    torch.testing.assert_close(total, whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(torch.autograd.grad(total, x)[0], expected, rtol=1e-6, atol=1e-9)


def test_without_gathering_the_mean_of_parts_is_another_number():
    x, y, where = states(0, 8), states(1, 8, width=7), mask(*[6] * 8)
    whole = CKA().rows(x, y, where, NOW).mean()
    split = torch.stack(
        [CKA().rows(*part, NOW).mean() for part in zip(x.split(1), y.split(1), where.split(1), strict=True)]
    )
    assert split.mean() < whole - 0.1


def test_both_are_values():
    assert CKA() != GatheredCKA() and replace(GatheredCKA(), squared=True) == GatheredCKA(squared=True)
