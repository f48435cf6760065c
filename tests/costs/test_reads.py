"""What the costs take for read is what a bound objective reads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from retort.config import load
from retort.costs.reads import STORED, cacheable, reads, student_sites, teacher_sites
from retort.distill.edits import ReplaceBlocks, SwapTokens
from retort.distill.schedules import Clock
from retort.models.features import Shape
from retort.models.hf.architecture import TextArchitecture
from retort.plan import Plan
from retort.recipes import cka
from retort.recipes.glmd import METHODS, THESEUS

SCHOOL = Plan(load("smoke"))
VOCABULARY = 104


def shape(stage):
    model = stage.architecture
    if isinstance(model, TextArchitecture):
        depth = model.decoder_layers or model.encoder_layers
        both = model.encoder_layers if model.decoder_layers else 0
        return Shape(depth, model.width, model.heads, VOCABULARY, both)
    return Shape(model.layers, model.width, model.heads, VOCABULARY)


@pytest.mark.parametrize("name", [name for name, stage in SCHOOL.stages.items() if stage.teachers])
def test_sites_are_those_of_the_bound_objective(name):
    from retort.distill.binding import BoundObjective

    stage = SCHOOL.stages[name]
    student, teachers = shape(stage), tuple(map(shape, stage.teachers))
    bound = BoundObjective(stage.objective, student, teachers)
    for clock in (Clock(step, 40, step // 10, 3) for step in range(0, 40, 3)):
        for edited in (False, True):
            found = student_sites(stage.objective, clock, student, teachers, edited)
            assert found == bound.student_sites(clock, edited)
            for number in range(len(teachers)):
                found = teacher_sites(stage.objective, clock, student, teachers, number, edited)
                assert found == bound.teacher_sites(clock, number, edited)
    for number in range(len(teachers)):
        assert cacheable(stage.objective, teachers, number) == bound.cacheable(number, STORED)


@pytest.mark.parametrize("method", cka.METHODS, ids=lambda method: method.name)
def test_sites_of_two_stacks_of_other_depths(method):
    from retort.distill.binding import BoundObjective

    student, teachers = Shape(3, 8, 2, 100, 6), (Shape(6, 8, 2, 100, 12),)
    now = Clock(0, 40)
    for step in method.steps:
        bound = BoundObjective(step.objective, student, teachers)
        found = student_sites(step.objective, now, student, teachers)
        assert found == bound.student_sites(now)
        assert teacher_sites(step.objective, now, student, teachers, 0) == bound.teacher_sites(now, 0)
        encoder = {site.layer for site in found if site.name == "encoder"}
        assert encoder in (set(), set(range(7)))


def test_what_is_stored_is_what_the_signals_hold():
    from retort.training.glm_signals import CACHED

    assert STORED == CACHED


def averages(method, step=0):
    objective = next(m for m in METHODS if m.name == method).steps[step].objective
    return reads(objective, Shape(6, 768, 12, 100), (Shape(12, 768, 12, 100),))


def test_averages_of_methods_that_differ():
    assert averages("PD", 1).teacher_passes == (1,)
    assert averages("MiniLM").depth == pytest.approx(5 + 1 / 3)  # nothing above the last block's projections
    assert averages("MiniLM").gold == 0 and averages("DistilBERT").gold == 1
    assert averages("TinyBERT").visible == 6 and averages("TinyBERT").teacher_visible == (6,)
    assert (averages("DIITO").student_passes, averages("DIITO").teacher_passes) == (2, (2,))
    # the first phases of seven compare features alone, the last one words alone
    assert 0 < averages("MobileBERT").gold < 0.5


def test_replaced_blocks_are_averaged():
    objective = THESEUS.steps[0].objective
    assert isinstance(objective.edit, ReplaceBlocks)
    found = averages("Theseus")
    assert found.kept == pytest.approx((0.65 * 0.66 + 1 * 0.34), abs=0.01)
    assert found.teacher_passes == (0,)
    assert replace(objective, edit=SwapTokens(0.3)).edit != objective.edit


def test_neither_reads_nor_costs_import_torch():
    script = (
        "import sys; from retort.config import load; from retort.plan import Plan;"
        "from retort.costs.report import estimate_of; e = estimate_of(Plan(load('smoke')));"
        "e.jobs; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
