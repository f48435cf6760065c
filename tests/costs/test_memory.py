"""Memory of devices that share a model out, against the models themselves, made without any memory."""

from __future__ import annotations

import pytest
import torch

from retort.config import load
from retort.costs.flops import block_parameters, parameters
from retort.costs.memory import device_bytes
from retort.costs.sizes import sizes_of
from retort.distill.binding import BoundObjective
from retort.models.features import Shape
from retort.models.glm import GLM
from retort.models.glm_builder import glm_config
from retort.plan import Plan

GIB = 2**30


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """The paper's plan with only what its ten-billion row needs, and the sizes of its data."""
    overrides = {"methods": ["TinyBERT", "GLMD-vc"], "pairs": ["T3-S3"], "seeds": [1234]}
    overrides["variants"] = {"tables": [], "quirks": [], "seeds": [1234]}
    overrides["papers"] = ["glmd"]
    plan = Plan(load("paper", overrides), tmp_path_factory.mktemp("results"))
    return plan, sizes_of(plan)


def made(architecture, rows):
    with torch.device("meta"):
        return GLM(glm_config(architecture, rows))


def size_of(module):
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def test_every_stage_of_the_largest_row_fits_its_cards(paper):
    plan, sizes = paper
    stages = [stage for stage in plan.stages.values() if stage.schooling is not None]
    assert {stage.architecture.name for stage in stages} == {"T3", "S3"}
    assert {plan.devices(stage) for stage in stages} == {8}
    needs = {stage.id: device_bytes(stage, sizes, plan.devices(stage)) for stage in stages}
    assert all(need < 80 * GIB for need in needs.values())
    # By the models themselves: 16 bytes a parameter, and half-precision copies of all of them.
    teacher = plan.pretrained("T3")
    model = made(teacher.architecture, sizes.rows)
    layers = model.transformer.layers
    around, block = size_of(model) - size_of(layers), size_of(layers[0])
    expected = 4 * size_of(model) / 8 + size_of(model) / 2 + 2 * (around + 2 * block)
    assert needs[teacher.id] == pytest.approx(expected, rel=1e-12)
    assert size_of(model) / 4 == pytest.approx(9.8e9, rel=1e-3)


def test_the_objectives_of_the_largest_row_bind(paper):
    plan, sizes = paper
    bound = {}
    for cell in plan.cells:
        stage = cell.stages[0]
        while stage is not None:
            shapes = [
                Shape(a.layers, a.width, a.heads, sizes.rows)
                for a in (model.architecture for model in (stage, *stage.teachers))
            ]
            with torch.device("meta"):
                bound[stage.id] = BoundObjective(stage.objective, shapes[0], shapes[1:])
            assert not stage.objective.together and bound[stage.id].policy is None
            stage = stage.init
    # Whole in every process: TinyBERT's lens from 2,048 to 4,096 dimensions is nothing beside the models.
    lenses = max(size_of(objective) for objective in bound.values())
    assert lenses == 4 * (2048 * 4096 + 4096) < 0.01 * 80 * GIB


def test_a_share_is_a_share(paper):
    plan, sizes = paper
    teacher = plan.pretrained("T3")
    one, half, quarter = (device_bytes(teacher, sizes, devices) for devices in (1, 2, 4))
    state = 16 * parameters(teacher.architecture, sizes.rows)
    assert half - quarter == pytest.approx(state / 4)
    assert one == pytest.approx(state * 18 / 16)
    # What is gathered for a moment comes on top only where something is shared out.
    assert half - (one - state / 2) == pytest.approx(device_bytes(teacher, sizes, 8) - (one - 7 * state / 8))


def test_a_student_s_devices_hold_its_teacher_s_shares_too(paper):
    plan, sizes = paper
    student = next(s for s in plan.stages.values() if s.architecture.name == "S3" and s.teachers)
    (teacher,) = student.teachers
    alone = parameters(student.architecture, sizes.rows) * 4
    taught = parameters(teacher.architecture, sizes.rows) * 4
    blocks = [4 * block_parameters(model.architecture) for model in (student, teacher)]
    tables = alone - 36 * blocks[0], taught - 48 * blocks[1]
    expected = (4 * alone + taught) / 8 + alone / 2
    expected += 2 * (tables[0] + 2 * blocks[0]) + tables[1] + 2 * blocks[1]
    assert device_bytes(student, sizes, 8) == pytest.approx(expected)


def test_models_of_the_third_paper_fit_their_cards(tmp_path):
    """What a run holds of 6.7 to 13 billion parameters, shared out; one card would not do."""
    plan = Plan(load("paper", {"papers": ["atkd"]}), tmp_path)
    sizes = sizes_of(plan)
    trained = [stage for stage in plan.stages.values() if stage.schooling is not None]
    for stage in trained:
        assert device_bytes(stage, sizes, plan.devices(stage)) < 80 * GIB
    shared = {stage.architecture.name: stage for stage in trained if plan.devices(stage) > 1}
    for name in ("OPT_6_7B", "Pythia_6_9B", "LLaMA_7B", "LLaMA_13B"):
        assert device_bytes(shared[name], sizes, 1) > 80 * GIB
