"""When the terms of the scheduled methods speak, and how loud: at the edges of their schedules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_samples import SAMPLES, batch_of, models_for

from retort.distill.distances import KL, MSE, Cosine
from retort.distill.layermaps import Uniform
from retort.distill.schedules import Clock, Place
from retort.models.features import CLASS, Site
from retort.recipes import glmd

OF = {sample.name: sample for sample in SAMPLES}
SID, MOBILEBERT = OF["SID-1"], OF["MobileBERT-0"]
ANNEALING, CONTINUATION = OF["Annealing-KD-1"], OF["Continuation-KD-1"]


def bound(sample):
    models = models_for(sample)
    return models, models.bind(sample.step.objective)


# The recipes' own schedules


def test_theseus_keeps_three_tenths_at_first_and_all_from_two_thirds_on():
    edit = glmd.THESEUS.steps[0].objective.edit
    assert edit.keep(Clock(0, 100)) == 0.3
    assert edit.keep(Clock(33, 100)) == pytest.approx(0.65)
    assert edit.keep(Clock(65, 100)) < 1
    assert [edit.keep(Clock(step, 100)) for step in (66, 67, 99)] == [1, 1, 1]
    assert all(all(edit.kept(Clock(step, 100, seed=3), 12)) for step in range(66, 100))
    assert not all(all(edit.kept(Clock(step, 100, seed=3), 12)) for step in range(60))


@pytest.mark.parametrize("number", range(7))
def test_annealing_climbs_in_sevenths(number):
    """Strictly inside each step: on a border rounding decides, in the authors' code, too."""
    (lens,) = ANNEALING.step.objective.terms[0].via
    found = [lens.schedule(Clock(100 * number + inside, 700)) for inside in (1, 50, 99)]
    assert found == pytest.approx([(number + 1) / 7] * 3)


def test_continuation_is_at_seven_tenths_where_its_soft_loss_ends():
    hard, soft = CONTINUATION.step.objective.terms
    heat = soft.via[0].schedule
    assert heat(Clock(666, 1000)) == pytest.approx(0.7)
    assert [hard.weight(Clock(step, 1000)) for step in (0, 333, 666, 667, 700)] == [
        0,
        pytest.approx(0.2498, abs=1e-4),
        pytest.approx(0.4996, abs=1e-4),
        1,
        1,
    ]
    assert [soft.weight(Clock(step, 1000)) for step in (0, 667, 999)] == [1, 0, 0]
    assert soft.above(Clock(666, 1000)) == pytest.approx(0.7)


@given(st.integers(1, 48), st.integers(1, 500))
def test_sid_has_one_phase_more_than_layers_all_equally_long(layers, length):
    curve = SID.step.objective.terms[0].weight
    total = (layers + 1) * length
    for number in range(1, layers + 2):
        for step in ((number - 1) * length, number * length - 1):
            clock = Clock(step, total)
            assert curve.phase(clock, layers) == number
            assert curve.task(clock, Place(-1, layers)) == (number == layers + 1)


def test_mobilebert_grows_every_4800_of_its_150000_steps():
    """24 layers and the language model share the first 120000 steps in 25 parts."""
    features, _, language_model = MOBILEBERT.step.objective.terms
    curve, task = features.weight.schedule, language_model.weight
    for number in range(1, 25):
        assert curve.phase(Clock(4800 * number - 1, 150_000), 24) == number
        assert curve.phase(Clock(4800 * number, 150_000), 24) == number + 1
    assert task(Clock(115_199, 150_000), Place(-1, 24)) == 0
    assert [task(Clock(step, 150_000), Place(-1, 24)) for step in (115_200, 149_999)] == [1, 1]


# What a whole objective asks for and adds up

TOTAL = 40
"""Steps; the students have three layers, so four phases: of 10 steps (SID), or of 8 (MobileBERT, of 80%)."""


def spoken(sample, total):
    """The first and the last step at which each kind of site is read of the student."""
    _, objective = bound(sample)
    found = {}
    for step in range(total):
        for name in {site.name for site in objective.student_sites(Clock(step, total))}:
            found.setdefault(name, []).append(step)
    assert all(steps == list(range(steps[0], steps[-1] + 1)) for steps in found.values())
    return {name: (steps[0], steps[-1]) for name, steps in found.items()}


def test_terms_speak_from_their_first_step_to_their_last_and_only_then():
    assert spoken(SID, 40) == {"scores": (0, 29), "hidden": (0, 29), "class": (30, 39)}
    assert spoken(MOBILEBERT, 40) == {"scores": (0, 39), "hidden": (0, 39), "hard": (24, 39)}
    assert spoken(ANNEALING, 70) == {"class": (0, 69)}
    assert spoken(CONTINUATION, 1000) == {"class": (0, 666), "hard": (1, 999)}


def test_a_teacher_need_not_run_when_nothing_compares_with_it():
    for sample, total, last in ((CONTINUATION, 1000, 666), (MOBILEBERT, 40, 39), (SID, 40, 39)):
        _, objective = bound(sample)
        runs = [bool(objective.teacher_sites(Clock(step, total), 0)) for step in range(total)]
        assert runs == [step <= last for step in range(total)]


def layer_distances(models, batch, site, by, layers, take=lambda x: x):
    """The distance of each of the student's layers to its teacher layer, by hand."""
    pairs = [p for p in Uniform(embedding=True).pairs(Clock(0, 1), 3, 4) if p.student[0] in layers]
    ours, theirs = (
        family.observe(batch, frozenset(Site(site, getattr(pair, side)[0]) for pair in pairs))
        for family, side in ((models.student, "student"), (models.teachers[0], "teacher"))
    )
    return torch.stack(
        [by(take(ours[site, p.student[0]]), take(theirs[site, p.teacher[0]])).mean() for p in pairs]
    )


def check_curve(sample, index, distances, weights):
    """The value of a term over a run: ``weights`` gives those of all layers by step."""
    models, objective = bound(sample)
    batch, name = batch_of(sample.kinds[-1], 4), objective.names[index]
    for step, expected in weights.items():
        parts = models.losses(objective, batch, Clock(step, TOTAL)).parts
        value = (torch.tensor(expected, dtype=torch.float64) * distances(models, batch)).sum()
        torch.testing.assert_close(parts.get(name, torch.zeros_like(value)), value, rtol=1e-9, atol=0)


SID_WEIGHTS = {
    0: (1, 0, 0),
    9: (1, 0, 0),
    10: (1, 1, 0),
    19: (1, 1, 0),
    20: (1, 1, 1),
    29: (1, 1, 1),
    30: (0, 0, 0),
    39: (0, 0, 0),
}
MOBILEBERT_WEIGHTS = {
    0: (0.05, 0.5, 0, 0),
    7: (0.05, 0.5, 0, 0),
    8: (0.05, 0.05, 0.5, 0),
    15: (0.05, 0.05, 0.5, 0),
    16: (0.05, 0.05, 0.05, 0.5),
    23: (0.05, 0.05, 0.05, 0.5),
    24: (0.5, 0.5, 0.5, 0.5),
    39: (0.5, 0.5, 0.5, 0.5),
}


def test_sid_weighs_all_layers_reached_alike():
    layers = (1, 2, 3)
    check_curve(SID, 0, lambda m, b: layer_distances(m, b, "scores", KL(), layers), SID_WEIGHTS)

    def first_tokens(models, batch):
        return layer_distances(models, batch, "hidden", Cosine(), layers, lambda x: x[:, 0])

    check_curve(SID, 1, first_tokens, SID_WEIGHTS)


def test_mobilebert_weighs_layers_passed_a_tenth_until_the_language_model_begins():
    above = {step: weights[1:] for step, weights in MOBILEBERT_WEIGHTS.items()}
    check_curve(MOBILEBERT, 0, lambda m, b: layer_distances(m, b, "scores", KL(), (1, 2, 3)), above)
    hidden = (0, 1, 2, 3)
    check_curve(
        MOBILEBERT, 1, lambda m, b: layer_distances(m, b, "hidden", MSE(), hidden), MOBILEBERT_WEIGHTS
    )


def test_annealing_compares_with_damped_scores():
    models, objective = bound(ANNEALING)
    batch = batch_of("sum", 4)
    ours, theirs = (m.observe(batch, frozenset({CLASS}))[CLASS] for m in (models.student, *models.teachers))
    for step in range(5, 70, 10):
        found = models.losses(objective, batch, Clock(step, 70)).total
        damped = (step // 10 + 1) / 7 * theirs
        torch.testing.assert_close(found, (ours - damped).square().mean(), rtol=1e-9, atol=0)
