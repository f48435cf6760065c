"""Relations inside a batch: against plain loops, and at the edges where the authors' code fails."""

import math

import pytest
import torch
from torch.nn import functional as F

from retort.distill.alignment import CKA
from retort.distill.binding import BoundObjective, Seen
from retort.distill.distances import KL, MSE
from retort.distill.layermaps import AllToAll, BlockEnds, Joint, Last, Uniform
from retort.distill.lenses import Attend, FirstToken, Gram, Stack
from retort.distill.objective import match, total
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.distill.schedules import Clock
from retort.models.features import Features, Shape, Site, Totals
from retort.recipes import glmd

NOW = Clock(0, 1)
RELATIONS = [RelationKL("tokens"), RelationKL("layers"), RelationAngle("tokens", 5), RelationAngle("layers")]


def stacked(seed, rows=3, layers=4, length=6, width=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, layers, length, width, generator=generator, dtype=torch.float64)


def mask(*lengths, length=6):
    return torch.arange(length)[None] < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("by", RELATIONS)
def test_equal_models_have_equal_relations(by):
    x, where = stacked(0).requires_grad_(), mask(6, 4, 1)
    loss = by.rows(x, stacked(0), where, NOW)
    assert loss.shape == (3,)
    torch.testing.assert_close(loss, torch.zeros(3, dtype=torch.float64))
    loss.sum().backward()
    torch.testing.assert_close(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("by", RELATIONS)
def test_losses_and_gradients_are_finite_with_one_token_rows(by):
    """With -inf for pairs that do not count, rows of one token make torch's KL NaN."""
    x = stacked(0).requires_grad_()
    loss = by.rows(x, stacked(1), mask(6, 1, 1), NOW).mean()
    loss.backward()
    assert loss > 0
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("by", [RelationKL("tokens"), RelationKL("layers"), RelationAngle("layers")])
def test_padding_does_not_matter(by):
    x, y, where = stacked(0), stacked(1), mask(6, 4, 2)
    before = by.rows(x, y, where, NOW)
    for tensor in (x, y):
        tensor[:, :, 5] = torch.where(where[:, 5][:, None, None], tensor[:, :, 5], 1e3)
    torch.testing.assert_close(by.rows(x, y, where, NOW), before)


def test_token_windows_reach_into_padding():
    """As in the authors' code, only the centre of a window must be real."""
    x, y, where = stacked(0), stacked(1), mask(4, 4, 4)
    by = RelationAngle("tokens", 5)
    before = by.rows(x, y, where, NOW)
    x[:, :, 4] *= 2
    assert not torch.allclose(by.rows(x, y, where, NOW), before)


def kl_by_loops(x, y, where):
    """CKD's distance relation among tokens, pair by pair."""
    found, count = 0.0, 0
    for row in range(x.shape[0]):
        real = where[row].nonzero()[:, 0].tolist()
        count += len(real) ** 2
        for layer in range(x.shape[1]):
            for i in real:
                others = [j for j in real if j != i]
                if not others:
                    continue
                cosines = [
                    torch.stack(
                        [F.cosine_similarity(z[row, layer, i], z[row, layer, j], dim=0) for j in others]
                    )
                    for z in (x, y)
                ]
                ours, theirs = (c.log_softmax(0) for c in cosines)
                found += float((theirs.exp() * (theirs - ours)).sum())
    return found / (count * x.shape[1])


def test_relations_of_tokens_equal_plain_loops():
    x, y, where = stacked(0), stacked(1), mask(5, 3, 1)
    loss = RelationKL("tokens").rows(x, y, where, NOW)
    assert loss[0].item() == pytest.approx(kl_by_loops(x, y, where), rel=1e-12)


def test_angles_of_layers_equal_plain_loops():
    x, y, where = (
        stacked(0, rows=1, layers=3, length=2),
        stacked(1, rows=1, layers=3, length=2),
        mask(2, length=2),
    )

    def angle(z, token, i, j, k):
        a, b = z[0, j, token] - z[0, i, token], z[0, k, token] - z[0, i, token]
        size = a.norm() * b.norm()
        return float(a @ b / size) if size else 0.0

    triples = [(t, i, j, k) for t in range(2) for i in range(3) for j in range(3) for k in range(3)]
    naive = sum((angle(x, *triple) - angle(y, *triple)) ** 2 for triple in triples) / len(triples)
    assert RelationAngle("layers").rows(x, y, where, NOW)[0].item() == pytest.approx(naive, rel=1e-10)


def test_contrast_equals_plain_loops():
    x, y = stacked(0), stacked(1)
    gap = [[float((1 - F.cosine_similarity(x[b], y[j], dim=-1)).mean()) for j in range(3)] for b in range(3)]
    naive = [
        4 * (1 - (sum(gap[b][j] for j in range(3) if j != b) / 2 - gap[b][b]) / 2 + gap[b][b])
        for b in range(3)
    ]
    loss = ContrastiveCosine().rows(x, y, mask(6, 6, 6), NOW)
    torch.testing.assert_close(loss, torch.tensor(naive, dtype=torch.float64))


def test_a_row_without_others_is_only_drawn_to_its_teacher():
    x, y = stacked(0, rows=1).requires_grad_(), stacked(1, rows=1)
    loss = ContrastiveCosine().rows(x, y, mask(6), NOW)
    torch.testing.assert_close(loss, 4 * (2 - F.cosine_similarity(x, y, dim=-1).mean())[None])
    assert math.isfinite(loss.item())


JOINT = Joint(Uniform(embedding=True))
MATRIX_PRODUCTS = {
    "relations": total([match("hidden", JOINT, by, (Stack(),), mask="valid") for by in RELATIONS]),
    "contrast": match("hidden", JOINT, ContrastiveCosine(), (Stack(),)),
    "granularities": glmd.MGSKD.steps[1].objective,
    "alignment": match("hidden", BlockEnds(), CKA(precision=32), mask="valid"),
    "gram": match("hidden", Last(), KL(), (Gram(4),)),
    "attend": match("hidden", AllToAll(), MSE(), (FirstToken(), Attend())),
}


@pytest.mark.parametrize("name", MATRIX_PRODUCTS)
def test_autocast_does_not_reach_the_losses(name):
    shape, where = Shape(4, 16, 2, 7), mask(6, 4, 3)

    def features(seed):
        layers = stacked(seed, layers=5, width=16).float().unbind(1)
        values = {Site("hidden", i): x for i, x in enumerate(layers)}
        return Features(values, where, where, torch.arange(3))

    bound = BoundObjective(MATRIX_PRODUCTS[name], shape, [shape])
    seen, totals = Seen(features(0), (features(1),)), Totals(3, 3, 13, 13)
    plain = bound.compare(seen, None, NOW, totals).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert bound.compare(seen, None, NOW, totals).total == plain
