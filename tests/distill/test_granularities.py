"""MGSKD's structures: against plain loops, and what random spans may be."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from retort.distill.granularities import RowStructure, TokenStructure, common_heads, partition
from retort.distill.schedules import Clock

NOW = Clock(4, 10)
STRUCTURES = [TokenStructure(), TokenStructure(4, 3, 2), TokenStructure(spans=0.4), RowStructure()]


def hidden(seed, width=16, rows=3, length=7):
    return torch.randn(
        rows, length, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


WHERE = torch.arange(7)[None] < torch.tensor([7, 5, 1])[:, None]


@pytest.mark.parametrize("by", STRUCTURES)
def test_equal_models_have_equal_structure(by):
    x = hidden(0).requires_grad_()
    loss = by.rows(x, hidden(0), WHERE, NOW)
    torch.testing.assert_close(loss, torch.zeros(3, dtype=torch.float64))
    loss.sum().backward()
    torch.testing.assert_close(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("by", STRUCTURES)
def test_losses_and_gradients_are_finite_and_inputs_stay(by):
    """The authors' pooling changed its inputs in place, on which newer versions of torch fail."""
    x, y = hidden(0).requires_grad_(), hidden(1, 32)
    kept = y.clone()
    loss = by.rows(x, y, WHERE, NOW).mean()
    loss.backward()
    assert loss > 0
    assert torch.isfinite(x.grad).all() and x.grad.any()
    assert torch.equal(y, kept)


@pytest.mark.parametrize("by", [TokenStructure(4, 3, 2), RowStructure()])
def test_padding_does_not_matter(by):
    x, y = hidden(0), hidden(1)
    before = by.rows(x, y, WHERE, NOW)
    for tensor in (x, y):
        tensor[~WHERE] = 1e3
    torch.testing.assert_close(by.rows(x, y, WHERE, NOW), before)


def cosine(a, b):
    size = a.norm() * b.norm()
    return float(a @ b / size) if size else 0.0


def test_rows_equal_plain_loops():
    x, y, heads = hidden(0), hidden(1), 4
    angles = []
    for z in (x, y):
        pooled = torch.stack([row[real].mean(0) for row, real in zip(z, WHERE, strict=True)]).view(
            3, heads, -1
        )
        angles.append(
            [
                cosine(pooled[i, h] - pooled[j, h], pooled[i, h] - pooled[k, h])
                for h in range(heads)
                for i in range(3)
                for j in range(3)
                for k in range(3)
            ]
        )
    naive = F.smooth_l1_loss(*(torch.tensor(a, dtype=torch.float64) for a in angles))
    torch.testing.assert_close(RowStructure(heads).rows(x, y, WHERE, NOW)[0], naive)


def test_triplets_of_all_tokens_equal_plain_loops():
    """With more centres and neighbours than tokens every triple of real tokens counts."""
    x, y = hidden(0), hidden(1)
    products, triplets = [], []
    for row, real in enumerate(WHERE.sum(1).tolist()):
        for i in range(real):
            for j in range(real):
                for head in range(4):
                    part = slice(4 * head, 4 * head + 4)
                    ours, theirs = (float(z[row, i, part] @ z[row, j, part]) / 2 for z in (x, y))
                    products.append((ours - theirs) ** 2)
        for i, j, k in permutations(range(real), 3):
            angles = (cosine(z[row, i] - z[row, j], z[row, i] - z[row, k]) for z in (x, y))
            triplets.append(F.smooth_l1_loss(*(torch.tensor(a, dtype=torch.float64) for a in angles)))
    naive = sum(products) / len(products) + float(torch.stack(triplets).mean())
    assert TokenStructure(4).rows(x, y, WHERE, NOW)[0].item() == pytest.approx(naive, rel=1e-10)


def test_one_row_has_no_structure():
    x = hidden(0, rows=1).requires_grad_()
    loss = RowStructure().rows(x, hidden(1, rows=1), WHERE[:1], NOW)
    assert loss.item() == 0


@given(st.integers(1, 60), st.lists(st.floats(1e-3, 5), min_size=1, max_size=30))
def test_spans_cover_the_row(length, shares):
    shares = shares[:length]
    spans = partition(length, shares)
    assert len(spans) == len(shares) and sum(spans) == length
    assert min(spans) >= 1


@pytest.mark.parametrize("length", [1, 2, 3, 10, 512])
def test_spans_of_any_length_are_drawn_from_the_clock(length):
    by = TokenStructure(spans=0.4)
    spans = by.span_lengths(length, NOW)
    assert sum(spans) == length and len(spans) == max(1, int(0.4 * length))
    assert spans == by.span_lengths(length, NOW)
    if length == 512:
        assert spans != by.span_lengths(length, Clock(5, 10))


def test_one_cut_serves_all_layers_and_both_models():
    by, x = TokenStructure(spans=0.4), hidden(0)
    assert by.rows(x, x, WHERE, NOW)[0] == 0


@pytest.mark.parametrize(
    ("widths", "heads"),
    [((768, 768), 64), ((384, 768), 64), ((768, 1024), 64), ((64, 96), 16), ((32, 16), 4)],
)
def test_heads_fit_both_models(widths, heads):
    ours, theirs = (torch.zeros(1, 1, width) for width in widths)
    assert common_heads(64, ours, theirs) == heads
