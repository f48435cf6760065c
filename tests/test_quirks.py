"""The ledger: what every switch changes, in which rows, and that the change is the arithmetic it promises."""

import functools
import itertools
import re
from dataclasses import replace

import pytest
import torch
from small_models import batch_for, family, models_for
from torch.nn import functional as F

from retort.config import load
from retort.distill.binding import BoundObjective, Seen
from retort.distill.edits import ReplaceBlocks
from retort.distill.schedules import Clock, Linear
from retort.errors import InputError
from retort.models.features import CLASS, HARD, WORDS, Features, Recorder, Shape, Site, Totals, WordLogits
from retort.models.glm import prefix_mask
from retort.plan import Plan
from retort.quirks import LEDGER, rewrite, rows_of
from retort.recipes import Cut, glmd, glmd_variants
from retort.stages import SlicedCompression

METHODS = {method.name: method for method in glmd.METHODS}
WORD_ROWS = {"GLMD-vc", "GLMD", "GLMD-vc+mo", "GLMD-vc+al", "GLMD+al"}
CHANGES = {
    ("soft-loss-t2", "as_published"): {"KD", "ALP-KD", "RAIL-KD", "RL-KD", "DGKD"},
    ("masked-means", "fixed"): {"DistilBERT", "RAIL-KD", "DIITO", "TMKD", *WORD_ROWS},
    ("minilm-softmax", "fixed"): {"MiniLM", "RAIL-KD"},
    ("distilbert-masks", "as_published"): {"DistilBERT", "RAIL-KD"},
    ("pkd-layer-sum", "as_published"): {"PKD"},
    ("alp-lambda", "fixed"): {"ALP-KD"},
    ("mt-bert-projections", "as_published"): {"MT-BERT"},
    ("policy-gradient", "as_published"): {"RL-KD"},
    ("uncertainty-mean", "as_published"): {"Uncertainty"},
    ("uncertainty-weights", "as_published"): {"Uncertainty"},
    ("diito-site", "as_published"): {"DIITO"},
    ("theseus-all-teacher", "fixed"): {"Theseus"},
    ("fused-truncation", "fixed"): {
        *(
            "PKD",
            "Theseus",
            "ALP-KD",
            "Universal-KD",
            "TMKD",
            "MT-BERT",
            "RL-KD",
            "Uncertainty",
            "TAKD",
            "DGKD",
        )
    },
    ("truncation-source", "as_published"): {"PKD", "ALP-KD", "Universal-KD", "Theseus"},
    ("unmapped-embedding", "as_published"): {"GLMD", "GLMD+al"},
}
"""The rows that each switch changes."""

START = Clock(0, 10)


def steps_of(method):
    return (*method.steps, *method.unequal, *(method.chain.links if method.chain else ()))


# The ledger


def test_every_entry_says_why():
    assert len({quirk.id for quirk in LEDGER}) == len(LEDGER)
    for quirk in LEDGER:
        assert set(quirk.methods) <= set(METHODS), quirk.id
        assert len(set(quirk.methods)) == len(quirk.methods), quirk.id
        assert re.search(r"aitsc/GLMKD|the paper", quirk.evidence) and quirk.effect, quirk.id
        assert set(quirk.switches) <= {"as_published", "fixed"}, f"{quirk.id}: as_run is what the recipe says"


def test_every_switch_is_tested():
    assert {(quirk.id, switch) for quirk in LEDGER for switch in quirk.switches} == set(CHANGES)


def test_quirks_of_all_methods_with_a_property_name_them_all():
    named = {quirk.id: set(quirk.methods) for quirk in LEDGER}
    steps = {name: steps_of(method) for name, method in METHODS.items()}
    sites = {name: {t.site for s in found for t in s.objective.terms} for name, found in steps.items()}
    assert named["pre-ln-features"] == {name for name, found in sites.items() if "hidden" in found}
    twice = {name for name, m in METHODS.items() if sum(step.phase == "task" for step in m.steps) > 1}
    assert named["second-stage-selection"] == twice
    half = {name for name, method in METHODS.items() if method.embedding != "full"}
    assert named["embedding-width"] == half


@pytest.mark.parametrize("setting", [quirk.setting for quirk in LEDGER if quirk.setting])
def test_settings_exist_and_say_something_else(setting):
    key, value = setting.split(": ")
    *path, last = key.split(".")
    override = {last: float(value) if "." in value else int(value)}
    for name in reversed(path):
        override = {name: override}
    config, changed = load("paper"), load("paper", override)
    for name in path:
        config, changed = (c[name] if isinstance(c, dict) else getattr(c, name) for c in (config, changed))
    assert getattr(changed, last) == float(value) != getattr(config, last)


# Which rows


def test_rows_are_those_that_are_named_or_change():
    for quirk in LEDGER:
        rows = set(rows_of(quirk, glmd.METHODS))
        for switch in quirk.switches:
            assert rows == CHANGES[quirk.id, switch]
        assert quirk.switches or rows == set(quirk.methods)


@pytest.mark.parametrize("variant", glmd_variants.VARIANTS, ids=lambda variant: variant.method.name)
def test_variants_share_what_their_method_starts_from(variant):
    """The rows of Tables 4 and 5 are compared with the method that they vary."""
    quirks = {"unmapped-embedding": "as_published", "masked-means": "fixed"}
    changed, of = rewrite(variant.method, quirks), rewrite(METHODS[variant.of], quirks)
    assert type(changed.compression) is type(of.compression)
    assert {t.norm for s in changed.steps for t in s.objective.terms if t.mask != "none"} <= {"valid"}


@pytest.mark.parametrize("name", METHODS)
def test_as_run_changes_nothing(name):
    assert rewrite(METHODS[name], {}) == METHODS[name]
    assert rewrite(METHODS[name], {quirk.id: "as_run" for quirk in LEDGER}) == METHODS[name]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_a_switch_changes_its_rows_and_no_others(switch, name):
    method = METHODS[name]
    changed = rewrite(method, dict([switch]))
    assert (changed != method) == (name in CHANGES[switch])
    assert (changed.name, changed.citation, len(steps_of(changed))) == (
        method.name,
        method.citation,
        len(steps_of(method)),
    )


@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_a_row_that_a_quirk_does_not_name_stays(switch):
    (quirk,) = (q for q in LEDGER if q.id == switch[0])
    for name in CHANGES[switch]:
        method = replace(METHODS[name], name="mine")
        assert (rewrite(method, dict([switch])) == method) == bool(quirk.methods)


@pytest.mark.parametrize("switches", list(itertools.combinations(CHANGES, 2)), ids=str)
def test_switches_combine_in_any_order(switches):
    for name in CHANGES[switches[0]] & CHANGES[switches[1]]:
        method = METHODS[name]
        one, other = (
            rewrite(rewrite(method, dict([first])), dict([second]))
            for first, second in (switches, switches[::-1])
        )
        assert one == other == rewrite(method, dict(switches)) != method


PAIRS = ["T1-S1", "T1-S2", "T2-S2", "(T1,T2)-S2", "T2-A1-A2-S2"]
EVERYTHING = {
    "methods": list(METHODS),
    "pairs": PAIRS,
    "columns": "all",
    "seeds": [1],
    "variants": {"tables": [], "quirks": [], "seeds": [1]},
}


@pytest.fixture(scope="module")
def stages():
    """The stages of every row at the paper's scale, under some switches."""

    @functools.cache
    def of_switch(*switch):
        quirks = dict([switch] if switch else [])
        plan = Plan(load("paper", EVERYTHING | {"quirks": quirks}))
        return {(cell.method, cell.pair): [stage.digest for stage in cell.stages] for cell in plan.cells}

    return of_switch


@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_plans_change_in_the_same_rows(stages, switch):
    before, after = stages(), stages(*switch)
    assert before.keys() == after.keys()
    # At the paper's sizes most truncated students are as wide as what they are cut from.
    cut = {"Universal-KD", "TAKD", "DGKD"} if switch[0] == "fused-truncation" else CHANGES[switch]
    assert {method for method, pair in before if before[method, pair] != after[method, pair]} == cut


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"no-such": "fixed"}, "quirks.no-such: no such quirk; valid: abkd-script, adaptive-form, "),
        ({"masked-means": "broken"}, "quirks.masked-means: no switch 'broken'; it has as_run, fixed"),
        ({"cb-selection": "fixed"}, "quirks.cb-selection: no switch 'fixed'; it has as_run"),
        ({"diito-site": "fixed"}, "quirks.diito-site: no switch 'fixed'; it has as_run, as_published"),
    ],
)
def test_unknown_choices_are_named(chosen, message):
    with pytest.raises(InputError, match=message):
        rewrite(glmd.KD, chosen)
    if set(chosen.values()) <= {"fixed"}:  # the schema knows no other words
        with pytest.raises(InputError, match=message):
            Plan(load("smoke", {"methods": ["PD"], "quirks": chosen}))


# What runs


def changed_steps():
    for switch, names in CHANGES.items():
        for name in sorted(names):
            method, changed = METHODS[name], rewrite(METHODS[name], dict([switch]))
            variants = ((method.steps, changed.steps, ""), (method.unequal, changed.unequal, "unequal"))
            links = (method.chain.links, changed.chain.links, "") if method.chain else ((), (), "")
            for before, after, kind in (*variants, links):
                for number, (old, new) in enumerate(zip(before, after, strict=True)):
                    if old != new:
                        yield pytest.param(name, kind, new, id=f"{switch[0]}-{name}{kind}-{number}")


@pytest.mark.parametrize(("name", "kind", "step"), list(changed_steps()))
@pytest.mark.parametrize("layers", [1, 2])
def test_changed_steps_train_the_student(name, kind, step, layers):
    student, teachers = models_for(name, kind, step, layers)
    torch.manual_seed(9)
    bound = BoundObjective(step.objective, student.shape, [teacher.shape for teacher in teachers]).double()
    for clock in (Clock(0, 10), Clock(4, 10, epoch=1)):
        loss = bound.loss(batch_for(step.phase), student, teachers, clock).total
        assert torch.isfinite(loss)
        student.module.zero_grad()
        loss.backward()
        moved = [p.grad for p in student.module.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in moved)
        assert any(gradient.any() for gradient in moved)


# Arithmetic of terms


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def features(values, valid=None, predicted=None, rows=3):
    ones = torch.ones(rows, 1, dtype=torch.bool)
    valid = ones if valid is None else valid
    predicted = valid if predicted is None else predicted
    return Features(values, valid, predicted, torch.arange(len(valid)))


def loss_of(objective, student, teachers, shapes):
    """The loss and its parts on given features."""
    bound = BoundObjective(objective, shapes[0], shapes[1:]).double()
    mask = student.valid, student.predicted
    totals = Totals(len(mask[0]), len(mask[0]), int(mask[0].sum()), int(mask[1].sum()))
    return bound.compare(Seen(student, tuple(teachers)), None, START, totals)


def kl(student, teacher, temperature=1.0):
    """T^2 KL of each row of logits."""
    p, q = (F.softmax(x / temperature, -1) for x in (teacher, student))
    return temperature**2 * (p * (p / q).log()).sum(-1)


def cross_entropy(student, teacher, temperature=1.0):
    return -(F.softmax(teacher / temperature, -1) * F.softmax(student / temperature, -1).log()).sum(-1)


SHAPE = Shape(3, 8, 2, 7)


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
        plan = Plan(load("paper", methods | {"seeds": [1], "quirks": quirks}))
        taken = [stage for stage in plan.stages.values() if stage.truncated is not None]
        assert len(taken) > 3
        for stage in taken:
            equal = stage.truncated.source.architecture.width == stage.architecture.width
            assert stage.truncated.fused == (fused or equal)


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
