"""KL taken apart at the word that stands in the text: identities, gradients, what a model is sure of."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.decoupled import Decoupled, uncertainty
from retort.distill.distances import KL, ReverseKL, Sloped, TargetDistance

SEEDS = st.integers(0, 2**31)
PARTS = {"target": (1.0, 0.0), "others": (0.0, 1.0), "both": (1.0, 1.0), "decoupled KD": (0.2, 8.0)}


def problem(seed, rows, vocabulary, scale, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    student, teacher = (scale * torch.randn(rows, vocabulary, generator=g).to(dtype) for _ in range(2))
    return student, teacher, torch.randint(vocabulary, (rows,), generator=g)


def part(name, words, reverse=False):
    return Decoupled(*PARTS[name], reverse).at(words)


@given(SEEDS, st.integers(1, 5), st.integers(2, 30), st.floats(0.01, 30))
def test_kl_is_the_sum_of_its_parts(seed, rows, vocabulary, scale):
    """KL = TKD + UnC DKD, and reversed with what the student is unsure of."""
    student, teacher, words = problem(seed, rows, vocabulary, scale)
    for whole, unsure, reverse in ((KL(), teacher, False), (ReverseKL(), student, True)):
        target, others = (part(name, words, reverse)(student, teacher) for name in ("target", "others"))
        found = target + uncertainty(unsure, words) * others
        torch.testing.assert_close(found, whole(student, teacher), rtol=1e-10, atol=1e-13)
        assert (target >= -1e-15).all() and (others >= -1e-13).all()


@given(SEEDS, st.integers(1, 5), st.integers(2, 30), st.floats(0.01, 8))
def test_gradients_are_those_of_the_closed_forms(seed, rows, vocabulary, scale):
    """Forward: q_g - p_g at the word, taken from the others in proportion; q - p among the others."""
    student, teacher, words = problem(seed, rows, vocabulary, scale)
    student.requires_grad_()
    q, p = student.detach().softmax(-1), teacher.softmax(-1)
    at = torch.nn.functional.one_hot(words, vocabulary).bool()
    gap = (q - p)[at][:, None]
    rest_q, rest_p = (x.masked_fill(at, 0.0) / x.masked_fill(at, 0.0).sum(-1, keepdim=True) for x in (q, p))
    closed = {"target": torch.where(at, gap, -gap * rest_q), "others": rest_q - rest_p, "whole": q - p}
    for name in ("target", "others"):
        (found,) = torch.autograd.grad(part(name, words)(student, teacher).sum(), student)
        torch.testing.assert_close(found, closed[name], rtol=1e-9, atol=1e-13)
    (found,) = torch.autograd.grad(KL()(student, teacher).sum(), student)
    unsure = uncertainty(teacher, words)[:, None]
    torch.testing.assert_close(found, closed["target"] + unsure * closed["others"], rtol=1e-9, atol=1e-13)


@given(
    SEEDS,
    st.integers(1, 5),
    st.integers(2, 30),
    st.floats(0.01, 20),
    st.sampled_from(list(PARTS)),
    st.booleans(),
)
def test_slopes_are_what_autograd_gives(seed, rows, vocabulary, scale, name, reverse):
    student, teacher, words = problem(seed, rows, vocabulary, scale)
    leaf = student.clone().requires_grad_()
    naive = part(name, words, reverse)(leaf, teacher)
    naive.sum().backward()
    value, slope = part(name, words, reverse).with_slope(student.clone(), teacher.clone())
    torch.testing.assert_close(value, naive.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(slope, leaf.grad, rtol=1e-9, atol=1e-11)


def test_the_others_leave_the_word_alone():
    student, teacher, words = problem(3, 4, 9, 2.0)
    for reverse in (False, True):
        _, slope = part("others", words, reverse).with_slope(student.clone(), teacher.clone())
        assert (slope.gather(1, words[:, None]) == 0).all() and slope.any()
        other = student.scatter_add(1, words[:, None], torch.full((4, 1), 5.0).double())
        by = part("others", words, reverse)
        torch.testing.assert_close(by(other, teacher), by(student, teacher))


GAPS = (0.0, 20.0, 200.0, 1e4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("certain", ["student", "teacher", "both", "against each other"])
def test_certainty_breaks_nothing(dtype, reverse, gap, certain):
    """A logit far above or below all others, where probabilities are 0 and 1 in their own precision."""
    base, other, words = problem(1, 6, 11, 1.0, dtype)
    student, teacher, at = base.clone(), other.clone(), words[:, None]
    lift = torch.tensor([gap, -gap]).repeat(3)[:, None].to(dtype)
    if certain != "teacher":
        student = student.scatter_add(1, at, lift)
    if certain != "student":
        teacher = teacher.scatter_add(1, at, -lift if certain == "against each other" else lift)
    by = part("both", words, reverse)
    leaf = student.clone().requires_grad_()
    value = by(leaf, teacher)
    value.sum().backward()
    found, slope = by.with_slope(student.clone(), teacher.clone())
    assert torch.isfinite(value).all() and torch.isfinite(leaf.grad).all() and torch.isfinite(slope).all()
    exact = {"rtol": 2e-5, "atol": 2e-6 * (1 + gap)} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, value.detach(), **exact)
    torch.testing.assert_close(slope, leaf.grad, **exact)
    if dtype == torch.float32:
        wide = by(student.double(), teacher.double())
        torch.testing.assert_close(value.detach().double(), wide, rtol=1e-4, atol=1e-4)


def test_uncertainty_of_a_certain_model_is_no_difference_of_ones():
    logits = torch.tensor([[60.0, 0.0, 0.0], [30.0, 1.0, -2.0]])
    words = torch.tensor([0, 0])
    found = uncertainty(logits, words)
    exact = logits.double().softmax(-1)[:, 1:].sum(-1)
    assert (found > 0).all() and (1 - logits.softmax(-1)[:, 0] == 0).all()
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0.0)  # log-odds of 60 in float32


def test_a_student_equal_to_its_teacher_has_nothing_to_learn():
    student, _, words = problem(5, 7, 12, 3.0)
    for name in PARTS:
        for reverse in (False, True):
            value, slope = part(name, words, reverse).with_slope(student.clone(), student.clone())
            assert value.abs().max() < 1e-12 and slope.abs().max() < 1e-12


def test_narrow_logits_are_compared_in_float32():
    student, teacher, words = problem(0, 4, 9, 1.0, torch.bfloat16)
    value, slope = part("both", words).with_slope(student, teacher)
    assert value.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(value, part("both", words)(student.float(), teacher.float()))
    assert uncertainty(teacher, words).dtype == torch.float32


def test_what_it_is():
    assert isinstance(Decoupled(), TargetDistance)
    assert isinstance(Decoupled().at(torch.zeros(1, dtype=torch.int64)), Sloped)
