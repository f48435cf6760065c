"""Switches of GLMD that rewrite ensembles, edits and starts: the change is what it promises."""

from dataclasses import replace

import pytest
import torch
from given_features import SHAPE, START, cross_entropy, features, kl, loss_of, random
from small_models import batch_for, family
from torch.nn import functional as F

from retort.config import load
from retort.distill.binding import BoundObjective, Seen
from retort.distill.edits import ReplaceBlocks
from retort.distill.schedules import Clock, Linear
from retort.models.features import CLASS, HARD, WORDS, Recorder, Site, Totals
from retort.models.glm import prefix_mask
from retort.plan import Plan
from retort.quirks import rewrite
from retort.recipes import Cut, glmd
from retort.stages import SlicedCompression

# Arithmetic of ensembles


def test_uncertainty_adds_up_means_by_teacher():
    changed = rewrite(glmd.UNCERTAINTY, {"uncertainty-mean": "as_published"}).steps[0].objective
    scale = torch.tensor([3.0, 0.1, 1.0, 0.3, 9.0], dtype=torch.float64)[:, None]
    ours = random(5, 3) * scale
    theirs = [random(5, 3, seed=seed) for seed in (1, 2)]
    hard = random(5, seed=3)
    shown = features({CLASS: ours, HARD: hard}, rows=5), [features({CLASS: x}, rows=5) for x in theirs]
    found = loss_of(changed, *shown, [SHAPE] * 3).total
    log_p = F.log_softmax(ours, -1)
    unsure = (-(log_p.exp() * log_p).sum(-1)).argsort(descending=True).tolist()
    # Of five examples two are the more uncertain part: the r-th goes to bin ceil(2 r / 5).
    shares = [
        kl(ours[rows], teacher[rows]).mean()
        for rows, teacher in zip((unsure[:2], unsure[2:]), theirs, strict=True)
    ]
    torch.testing.assert_close(found, shares[0] + shares[1] + hard.mean())


def test_both_losses_of_uncertainty_are_halved():
    changed = rewrite(glmd.UNCERTAINTY, {"uncertainty-weights": "as_published"}).steps[0].objective
    shown = (
        features({CLASS: random(3, 2), HARD: random(3)}),
        [features({CLASS: random(3, 2, seed=seed)}) for seed in (1, 2)],
    )
    whole = loss_of(glmd.UNCERTAINTY.steps[0].objective, *shown, [SHAPE] * 3).parts
    half = loss_of(changed, *shown, [SHAPE] * 3).parts
    assert all(torch.equal(half[name], 0.5 * whole[name]) for name in whole) and len(half) == 2


def policy_step(bound, number):
    """A step of RL-KD on random features; the student's scores, the teachers' and what came out."""
    seeds = iter(range(100 * number, 100 * number + 100))
    ours, hard = random(6, 3, seed=next(seeds)), random(6, seed=next(seeds)) ** 2
    theirs = [random(6, 3, seed=next(seeds)) for _ in range(2)]
    first = features({Site("hidden", 3): random(6, 4, 8, seed=next(seeds))}, rows=6)
    others = [features({CLASS: x, HARD: random(6, seed=next(seeds)) ** 2}, rows=6) for x in theirs]
    seen = Seen(features({CLASS: ours, HARD: hard}, rows=6), (first, *others))
    found = bound.compare(seen, None, Clock(number, 10), Totals(6, 6, 6, 6))
    return ours, theirs, hard, found


def test_rl_kd_follows_the_policy_gradient():
    changed = rewrite(glmd.RL_KD, {"policy-gradient": "as_published"}).steps[1].objective
    torch.manual_seed(3)
    bound = BoundObjective(changed, SHAPE, [SHAPE] * 3).double()
    ours, theirs, hard, found = policy_step(bound, 0)
    actions = bound.policy.memory[:, -2:]
    assert {0.0, 1.0, 2.0} == set(actions.sum(1).tolist())  # none, one and both are chosen
    ce = torch.stack([cross_entropy(ours, x, 10.0) for x in theirs], 1)
    chosen = [
        values[taken.bool()].mean() if taken.any() else 0.0 for values, taken in zip(ce, actions, strict=True)
    ]
    torch.testing.assert_close(found.parts["0-class"], 0.5 * sum(chosen) / 6)
    assert "ensemble" not in found.parts

    before = bound.policy.memory
    _, _, hard, found = policy_step(bound, 1)
    logit = bound.policy.scores(before[:, :-2]).detach()
    p = logit.sigmoid()
    log_pi = actions * p.log() + (1 - actions) * (1 - p).log()
    torch.testing.assert_close(found.parts["ensemble"].detach(), 0.5 * hard.mean() * log_pi.sum())
    found.total.backward()
    # REINFORCE with Bernoulli actions: d log pi / d logit = a - p; the reward is -hard.
    expected = 0.5 * hard.mean() * (actions - p).sum(0)
    torch.testing.assert_close(bound.policy.of_state.bias.grad, expected)


def test_a_sure_policy_has_a_finite_gradient():
    ensemble = rewrite(glmd.RL_KD, {"policy-gradient": "as_published"}).steps[1].objective.ensemble
    scores = torch.tensor([[200.0, -200.0]], requires_grad=True)
    credit = ensemble.credit(scores, torch.tensor([[0.0, 1.0]]))
    credit.sum().backward()
    torch.testing.assert_close(credit.detach(), torch.tensor([[-200.0, -200.0]]))
    torch.testing.assert_close(scores.grad, torch.tensor([[-1.0, 1.0]]))


# Edits


def test_some_student_block_takes_part():
    before, after = (
        rewrite(glmd.THESEUS, quirks).steps[0].objective.edit
        for quirks in ({}, {"theseus-all-teacher": "fixed"})
    )
    clocks = [Clock(0, 100, seed=seed) for seed in range(400)]
    draws = [(before.kept(clock, 2), after.kept(clock, 2)) for clock in clocks]
    assert sum(not any(old) for old, _ in draws) == pytest.approx(400 * 0.7**2, rel=0.2)
    assert all(any(new) for _, new in draws)
    assert all(new == old for old, new in draws if any(old))
    both = sum(all(new) for _, new in draws) / 400
    assert both == pytest.approx(0.3**2 / (1 - 0.7**2), abs=0.06)
    with pytest.raises(ValueError, match="none will ever be"):
        type(after)(Linear(0.0, 0.0)).kept(START, 2)
    assert isinstance(after, ReplaceBlocks)


def stream(model, batch, layers=(), clean=None, spans=None):
    """Output [B, S, H] and residual stream of a GLM, block by block, with some layers' spans exchanged."""
    inner, mask = model.transformer, prefix_mask(batch.sep, batch.tokens.shape[1])
    h = model.word_embeddings(batch.tokens) + inner.position_embeddings(batch.positions[:, 0])
    h = h + inner.block_position_embeddings(batch.positions[:, 1])
    found = [h]
    for number, block in enumerate(inner.layers, start=1):
        h = block(h, mask, Recorder(frozenset()), number)
        if number in layers:
            where, source = spans
            h = h.clone()
            for row, place in where.nonzero().tolist():
                h[row, place] = clean[number][(row + 1) % len(h), source[row, place]]
        found.append(h)
    return inner.final_layernorm(h), found


@pytest.mark.parametrize("step", range(6))
def test_diito_exchanges_the_residual_stream(step):
    objective = rewrite(glmd.DIITO, {"diito-site": "as_published"}).steps[0].objective
    student, teacher = family(2, 16, 0), family(4, 16, 1)
    teacher.module.requires_grad_(requires_grad=False)
    batch, clock = batch_for("pretraining"), Clock(step, 10, seed=5)
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    pair = objective.edit.sources(clock, student.shape, teacher.shape)
    spans = objective.edit.spans(clock, batch.valid.sum(1).tolist(), batch.valid.shape[1])
    assert bound.student_sites(clock) == {
        *(WORDS, HARD, Site("hidden", 2)),
        *(Site("residual", layer) for layer in pair.student),
    }
    outputs = []
    for model, layers in ((student.module, pair.student), (teacher.module, pair.teacher)):
        _, clean = stream(model, batch)
        exchanged, _ = stream(model, batch, layers, clean, spans)
        outputs.append(exchanged @ model.word_embeddings.weight.T)
    expected = 0.25 * (kl(*outputs, 2.0) * batch.predicted).sum() / batch.predicted.numel()
    found = bound.loss(batch, student, [teacher], clock)
    torch.testing.assert_close(found.parts["3-words"], expected)
    as_run = BoundObjective(glmd.DIITO.steps[0].objective, student.shape, [teacher.shape])
    before = as_run.loss(batch, student, [teacher], clock).parts
    assert all(torch.equal(before[name], found.parts[name]) for name in before if name != "3-words")
    same = torch.allclose(before["3-words"], found.parts["3-words"], rtol=1e-9)
    assert same == (pair == ((2,), (3, 4)))  # above the last layer nothing is left to see the difference
    parameters = list(student.module.parameters())
    by_hand = torch.autograd.grad(expected, parameters, retain_graph=True)
    ours = torch.autograd.grad(found.parts["3-words"], parameters)
    torch.testing.assert_close(ours, by_hand)


# Starts


def start(plan, method, pair):
    """The first stage of a row."""
    (cell,) = (c for c in plan.cells if (c.method, c.pair) == (method, pair))
    stage = cell.stages[0]
    while stage.init is not None:
        stage = stage.init
    return stage


def test_students_are_cut_by_projection():
    assert rewrite(glmd.PKD, {"fused-truncation": "fixed"}) == replace(glmd.PKD, cut=Cut(fused=False))
    methods = {"methods": ["TAKD", "Theseus"], "pairs": ["T1-S1", "T2-A1-A2-S2"], "columns": "all"}
    for fused, quirks in ((True, {}), (False, {"fused-truncation": "fixed"})):
        own = {"papers": ["glmd"], "seeds": [1], "quirks": quirks}
        plan = Plan(load("paper", methods | own))
        taken = [stage for stage in plan.stages.values() if stage.truncated is not None]
        assert len(taken) > 3
        for stage in taken:
            equal = stage.truncated.source.architecture.width == stage.architecture.width
            assert stage.truncated.part.fused == (fused or equal)


def test_students_are_cut_from_the_pretrained_teacher():
    methods = {"methods": ["PKD", "Theseus", "TAKD"], "pairs": ["T1-S2", "T2-A1-A2-S2"], "seeds": [1]}
    plan = Plan(load("paper", methods | {"columns": "all", "quirks": {"truncation-source": "as_published"}}))
    tuned = Plan(load("paper", methods | {"columns": "all"}))
    for method in ("PKD", "Theseus"):
        stage, as_run = start(plan, method, "T1-S2"), start(tuned, method, "T1-S2")
        assert stage.truncated.source == plan.pretrained("T1") == as_run.truncated.source.init
        assert replace(stage, truncated=None) == replace(as_run, truncated=None)
    assert start(plan, "TAKD", "T2-A1-A2-S2") == start(tuned, "TAKD", "T2-A1-A2-S2")


def test_compressed_students_start_from_the_teachers_words():
    changed = rewrite(glmd.GLMD_AL, {"unmapped-embedding": "as_published"})
    assert changed == replace(glmd.GLMD_AL, compression=SlicedCompression())
    plan = Plan(load("smoke", {"methods": ["GLMD"], "quirks": {"unmapped-embedding": "as_published"}}))
    stage = start(plan, "GLMD", "T1-S1")
    settings = plan.config.compression
    assert stage.compression == SlicedCompression(
        reserved_targets=settings.reserved_targets, multiple_of=settings.multiple_of
    )
    assert stage.mapped_by == plan.pretrained("T1")
