import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.distill.distances import KL, MSE, Cosine, CosineEmbedding, ReverseKL, SoftCrossEntropy

ALL = [
    KL(),
    KL(15.0),
    KL(4.0, squared=False),
    SoftCrossEntropy(3.0),
    SoftCrossEntropy(2.0, squared=True),
    ReverseKL(),
    ReverseKL(3.0),
    MSE(),
    Cosine(),
    CosineEmbedding(),
]


def pair(seed, *shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(2, *shape, generator=generator, dtype=torch.float64).to(dtype)[i] for i in (0, 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 30), st.booleans())
def test_kl_is_the_textbook_sum(seed, temperature, squared):
    s, t = pair(seed, 4, 6)
    p = (t / temperature).softmax(-1)
    q = (s / temperature).softmax(-1)
    naive = (p * (p / q).log()).sum(-1) * (temperature**2 if squared else 1)
    torch.testing.assert_close(KL(temperature, squared)(s, t), naive)
    entropy = -(p * p.log()).sum(-1) * (temperature**2 if squared else 1)
    torch.testing.assert_close(SoftCrossEntropy(temperature, squared)(s, t), naive + entropy)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 30))
def test_reverse_kl_averages_over_the_student(seed, temperature):
    s, t = pair(seed, 4, 6)
    torch.testing.assert_close(ReverseKL(temperature)(s, t), KL(temperature)(t, s))
    leaf = s.requires_grad_()
    p, log_q = (leaf / temperature).softmax(-1), (t / temperature).log_softmax(-1)
    torch_s = torch.nn.functional.kl_div(log_q, p, reduction="batchmean") * temperature**2
    found = ReverseKL(temperature)(leaf, t).mean()
    torch.testing.assert_close(found, torch_s)
    ours, theirs = (torch.autograd.grad(loss, leaf, retain_graph=True)[0] for loss in (found, torch_s))
    torch.testing.assert_close(ours, theirs)


def test_the_cosine_of_a_zero_vector_has_the_slope_of_torchs_loss():
    s, t = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True), torch.ones(1, 4, dtype=torch.float64)
    naive = torch.nn.CosineEmbeddingLoss()(s, t, torch.ones(1))
    found = CosineEmbedding()(s, t).mean()
    assert found == naive == Cosine()(s, t).mean() == 1
    slopes = [torch.autograd.grad(loss, s)[0] for loss in (found, naive, Cosine()(s, t).mean())]
    assert torch.equal(slopes[0], slopes[1]) and slopes[2].norm() > 10 * slopes[0].norm()


def test_gradient_of_squared_kl_does_not_fade_with_temperature():
    s, t = pair(0, 1, 8)
    s.requires_grad_()
    cold, hot = (torch.autograd.grad(KL(T)(s, t).sum(), s)[0].norm() for T in (10.0, 1000.0))
    assert 0.5 < hot / cold < 2


def test_mse_and_cosine_by_hand():
    s, t = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[3.0, 2.0], [0.0, 0.0]])
    assert MSE()(s, t).tolist() == [2.0, 0.0]
    found = Cosine()(s, t).tolist()
    assert found == pytest.approx([1 - 7 / math.sqrt(65), 1.0])


@pytest.mark.parametrize("by", ALL)
def test_one_number_per_position(by):
    s, t = pair(1, 2, 3, 5)
    whole = by(s, t)
    assert whole.shape == (2, 3)
    torch.testing.assert_close(whole[1, 2], by(s[1, 2], t[1, 2]))


@pytest.mark.parametrize("by", [KL(), KL(15.0), ReverseKL(2.0), MSE(), Cosine(), CosineEmbedding()])
def test_equal_inputs_are_at_distance_zero(by):
    s, _ = pair(2, 3, 5)
    torch.testing.assert_close(by(s, s), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("by", ALL)
@pytest.mark.parametrize("size", [2, 7, 97])
def test_masked_value_is_the_distance_of_zero_vectors(by, size):
    zero = torch.zeros(size, dtype=torch.float64)
    assert by(zero, zero).item() == pytest.approx(by.masked_value(size), abs=1e-12)
    s = zero.clone().requires_grad_()
    kept = (s * 0.0).requires_grad_()
    (gradient,) = torch.autograd.grad(by(kept, zero), s)
    assert not gradient.any(), "a masked position must not pull"


@pytest.mark.parametrize("by", ALL)
@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(by, narrow):
    s, t = pair(3, 4, 50, dtype=narrow)
    found = by(s, t)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, by(s.float(), t.float()))


def test_far_apart_logits_stay_finite():
    s, t = torch.tensor([1e4, -1e4, 0.0]), torch.tensor([-1e4, 1e4, 0.0])
    for by in ALL:
        assert torch.isfinite(by(s, t))
