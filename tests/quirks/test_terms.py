"""Switches of GLMD that rewrite terms of a loss: the change is the arithmetic that it promises."""

from dataclasses import replace

import torch
from given_features import SHAPE, START, cross_entropy, features, kl, loss_of, random

from retort.distill.binding import BoundObjective, Seen
from retort.models.features import CLASS, HARD, WORDS, Shape, Site, Totals, WordLogits
from retort.quirks import rewrite
from retort.recipes import glmd


def test_soft_losses_get_their_temperature_squared():
    changed = rewrite(glmd.KD, {"soft-loss-t2": "as_published"}).steps[0].objective
    ours, theirs, hard = random(3, 4), random(3, 4, seed=1), random(3, seed=2)
    shown = features({CLASS: ours, HARD: hard}), [features({CLASS: theirs})]
    found = loss_of(changed, *shown, [SHAPE, SHAPE]).total
    torch.testing.assert_close(found, 100 * cross_entropy(ours, theirs, 10.0).mean() + hard.mean())


WHERE = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)
PREDICTED = torch.tensor([[0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [1, 0, 0, 0, 0]], dtype=torch.bool)


def logits(values):
    return WordLogits(values, torch.eye(values.shape[-1], dtype=values.dtype))


def test_masked_means_divide_by_what_counts():
    changed = rewrite(glmd.GLMD_VC, {"masked-means": "fixed"}).steps[1].objective
    ours, theirs = random(3, 5, 7), random(3, 5, 7, seed=1)
    shown = features({WORDS: logits(ours)}, WHERE), [features({WORDS: logits(theirs)}, WHERE)]
    found = loss_of(changed, *shown, [SHAPE, SHAPE]).total
    torch.testing.assert_close(found, kl(ours, theirs, 15.0)[WHERE].mean())
    as_run = loss_of(glmd.GLMD_VC.steps[1].objective, *shown, [SHAPE, SHAPE]).total
    torch.testing.assert_close(found, as_run * 15 / 10)


def test_distilbert_distils_all_real_positions():
    changed = rewrite(glmd.DISTILBERT, {"distilbert-masks": "as_published"}).steps[0].objective
    words = random(3, 5, 7), random(3, 5, 7, seed=1)
    states = random(3, 5, 8, seed=2), random(3, 5, 8, seed=3)
    hard = random(3, seed=4)
    site = Site("hidden", 3)
    student = features({WORDS: logits(words[0]), site: states[0], HARD: hard}, WHERE, PREDICTED)
    teacher = features({WORDS: logits(words[1]), site: states[1]}, WHERE, PREDICTED)
    cosine = (states[0] * states[1]).sum(-1) / (states[0].norm(dim=-1) * states[1].norm(dim=-1))
    expected = 5 * kl(*words, 2.0)[WHERE].mean() + 2 * hard.mean() + (1 - cosine)[WHERE].mean()
    torch.testing.assert_close(loss_of(changed, student, [teacher], [SHAPE, SHAPE]).total, expected)


def test_minilm_compares_the_probabilities_themselves():
    changed = rewrite(glmd.MINILM, {"minilm-softmax": "fixed"}).steps[0].objective
    ours, theirs = (random(1, 2, 3, 3, seed=seed).softmax(-1) for seed in (0, 1))
    where = torch.ones(1, 3, dtype=torch.bool)
    values = torch.zeros(1, 3, 8, dtype=torch.float64)
    shown = [features({Site("probs", 3): x, Site("v", 3): values}, where) for x in (ours, theirs)]
    found = loss_of(changed, shown[0], shown[1:], [SHAPE, SHAPE]).total
    torch.testing.assert_close(found, (theirs * (theirs / ours).log()).sum(-1).mean())
    as_run = loss_of(glmd.MINILM.steps[0].objective, shown[0], shown[1:], [SHAPE, SHAPE]).total
    assert as_run < found / 3


def test_pkd_takes_the_mean_over_layers():
    changed = rewrite(glmd.PKD, {"pkd-layer-sum": "as_published"}).steps[0].objective
    ours = {Site("hidden", i): random(3, 5, 8, seed=i) for i in (1, 2)}
    theirs = {Site("hidden", i): random(3, 5, 8, seed=i) for i in (12, 14)}
    theirs = {Site("hidden", site.layer - 10): value for site, value in theirs.items()}
    scores = {CLASS: random(3, 2, seed=5)}, {CLASS: random(3, 2, seed=6)}
    student = features({**ours, **scores[0], HARD: random(3)}, WHERE)
    teacher = features({**theirs, **scores[1]}, WHERE)
    found = loss_of(changed, student, [teacher], [SHAPE, replace(SHAPE, layers=6)]).parts["2-hidden"]
    pairs = [(ours[Site("hidden", i)][:, 0], theirs[Site("hidden", 2 * i)][:, 0]) for i in (1, 2)]
    squares = [(a / a.norm(dim=-1, keepdim=True) - b / b.norm(dim=-1, keepdim=True)) ** 2 for a, b in pairs]
    torch.testing.assert_close(found, 100 * torch.stack(squares).mean())


def test_alp_features_weigh_a_fifth():
    before = glmd.ALP_KD.steps[0].objective.terms
    after = rewrite(glmd.ALP_KD, {"alp-lambda": "fixed"}).steps[0].objective.terms
    assert [term.weight for term in before] == [0.7, 0.1, 1.0]
    assert [term.weight for term in after] == [0.7, 0.1, 0.2]
    assert [replace(term, weight=0) for term in after] == [replace(term, weight=0) for term in before]


def test_mt_bert_projects_each_layer_by_itself():
    changed = rewrite(glmd.MT_BERT, {"mt-bert-projections": "as_published"}).steps[0].objective
    shapes = [Shape(2, 4, 2, 7), Shape(4, 6, 2, 7), Shape(6, 8, 2, 7)]
    torch.manual_seed(0)
    bound = BoundObjective(changed, shapes[0], shapes[1:]).double()
    assert len(bound.lenses) == 4  # two teachers with two pairs each
    where = torch.ones(3, 5, dtype=torch.bool)
    ours = {Site("hidden", i): random(3, 5, 4, seed=i) for i in (1, 2)}
    theirs = [
        {Site("hidden", layer): random(3, 5, shape.width, seed=layer) for layer in layers}
        for shape, layers in zip(shapes[1:], ((2, 4), (3, 6)), strict=True)
    ]
    student = features({**ours, CLASS: random(3, 2), HARD: random(3)}, where)
    shown = [
        features({**values, CLASS: random(3, 2, seed=8), HARD: random(3) ** 2}, where) for values in theirs
    ]
    found = bound.compare(Seen(student, tuple(shown)), None, START, Totals(3, 3, 15, 15)).parts["2-hidden"]
    expected = 0.0
    for number, values in enumerate(theirs):
        for i, (site, value) in enumerate(values.items(), start=1):
            lens = bound.lenses[f"2-hidden-t{number}-0|teacher{site.layer}"]
            projected = value @ lens.weight.T + lens.bias
            expected += ((ours[Site("hidden", i)] - projected) ** 2).mean()
    torch.testing.assert_close(found, expected)
