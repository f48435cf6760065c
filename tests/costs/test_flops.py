"""Counted operations against torch's own counter, on real forward and backward passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from flop_counts import counted

from retort.config import load
from retort.costs.flops import FUSED_BACKWARD, attention, backward, forward, parameters, update, word_logits
from retort.costs.reads import reads
from retort.costs.sizes import Sizes, TaskSize
from retort.costs.stage_work import _micro_batch
from retort.costs.terms import Rows
from retort.data.batches import Choices, GLMBatch
from retort.distill.binding import BoundObjective
from retort.distill.schedules import Clock
from retort.models.features import Totals
from retort.models.glm import GLM, prefix_mask
from retort.models.glm_architecture import Architecture
from retort.models.glm_builder import glm_config
from retort.models.glm_family import GLMFamily
from retort.plan import Plan
from retort.training.optimisers import build

VOCABULARY, ROWS, LENGTH, PART_A = 104, 6, 24, 16
PLAIN = Architecture("plain", 3, 32, 4, 64, 0.0, 0.02)
KINDS = {
    "plain": PLAIN,
    "factorised": replace(PLAIN, factorised=16),
    "trigram": replace(PLAIN, trigram=16),
    "bottleneck": replace(PLAIN, trigram=8, bottleneck=(48, 1)),
    "narrow": replace(PLAIN, trigram=8, bottleneck=(16, 3)),
}


def glm(model, vocabulary=VOCABULARY):
    torch.manual_seed(0)
    return GLM(glm_config(model, vocabulary))


def batch(task=False, answer=False):
    """Rows without padding: the last third of each is predicted."""
    tokens = torch.randint(VOCABULARY, (ROWS, LENGTH))
    predicted = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    predicted[:, PART_A:] = True
    choices = None
    if task:
        pairs = torch.arange(ROWS).view(ROWS // 2, 2) if answer else torch.arange(ROWS).view(ROWS, 1)
        words = None if answer else torch.tensor([1, 2])
        real = torch.ones(len(pairs), 2, dtype=torch.bool)
        choices = Choices(pairs, real, torch.zeros(len(pairs), dtype=torch.long), words)
    examples = ROWS if choices is None else len(choices.row)
    return GLMBatch(
        tokens,
        tokens,
        torch.arange(LENGTH).expand(ROWS, 2, LENGTH),
        torch.full((ROWS,), PART_A),
        predicted,
        torch.ones_like(predicted),
        torch.arange(ROWS) if choices is None else torch.arange(examples).repeat_interleave(ROWS // examples),
        tuple(map(str, range(examples))),
        Totals(ROWS, examples, ROWS * LENGTH, int(predicted.sum())),
        choices,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_backward_are_exact(kind):
    model, module, data = KINDS[kind], glm(KINDS[kind]), batch()
    mask = prefix_mask(data.sep, LENGTH)
    there = counted(lambda: module(data.tokens, data.positions, mask))
    assert forward(model, ROWS, LENGTH).flops == there

    def both():
        module(data.tokens, data.positions, mask).sum().backward()

    # written out, attention costs twice its forward pass; fused, it is multiplied out once more
    assert backward(model, ROWS, LENGTH, visible=model.layers).flops == counted(both) - there
    more = backward(model, ROWS, LENGTH).flops - backward(model, ROWS, LENGTH, visible=model.layers).flops
    assert more == (FUSED_BACKWARD - 2) * model.layers * attention(model, ROWS, LENGTH)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_exact(kind):
    module = glm(KINDS[kind])
    assert parameters(KINDS[kind], VOCABULARY) == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("symbol", ["T1", "T2", "S1", "S2", "T3", "T_MB", "S_MB"])
def test_parameters_of_the_paper_s_models(symbol):
    plan = Plan(load("paper"))
    model = plan.architecture(symbol)
    with torch.device("meta"):
        module = GLM(glm_config(model, 30592))
    assert parameters(model, 30592) == sum(p.numel() for p in module.parameters())


def test_muon_is_exact():
    from retort.runs import Muon, Optimiser

    settings = Optimiser(
        1e-3, (0.9, 0.99), 1e-8, 0.0, 1.0, "constant", 0.0, 1.0, 1.0, Muon(0.02, 0.9, 5, 0.0)
    )
    module = glm(PLAIN)
    named = list(module.named_parameters())
    for _, parameter in named:
        parameter.grad = torch.ones_like(parameter)
    optimisers = build(settings, named)
    found = counted(lambda: [optimiser.step() for optimiser in optimisers])
    assert update(PLAIN, VOCABULARY, settings).flops == found


def test_logits_over_words():
    hidden, table = torch.randn(7, 32, requires_grad=True), torch.randn(104, 32, requires_grad=True)
    assert word_logits(7, 104, 32, trained=False).flops == counted(lambda: hidden @ table.T)
    assert word_logits(7, 104, 32, trained=True).flops == counted(lambda: (hidden @ table.T).sum().backward())


SCHOOL = Plan(load("smoke"))
SIZES = Sizes(
    VOCABULARY, VOCABULARY, 10, 100, {"COPA": TaskSize(6, 6, 2, 2, LENGTH - PART_A, LENGTH, LENGTH)}, True
)


def stage_of(method, phase, number=0):
    """A stage of a method's own, by phase and place."""
    cell = next(cell for cell in SCHOOL.cells if cell.method == method)
    stage, chain = cell.stages[0], []
    while stage is not None:
        chain.insert(0, stage)
        stage = stage.init
    return [stage for stage in chain if stage.phase == phase][number]


@pytest.mark.parametrize(
    ("method", "phase", "number", "tolerance"),
    [
        ("PD", "pretraining", 0, 0.0),
        ("DistilBERT", "pretraining", 0, 0.0),
        ("GLMD-vc", "pretraining", 0, 0.0),
        ("GLMD-vc+al", "pretraining", 0, 0.0),
        ("TinyBERT", "pretraining", 0, 0.01),
        ("MiniLM", "pretraining", 0, 0.03),
        ("MiniLMv2", "pretraining", 0, 0.03),
        ("DIITO", "pretraining", 0, 0.02),
        ("GLMD-vc", "task", 0, 0.0),
        ("KD", "task", 0, 0.0),
        ("PKD", "task", 0, 0.01),
        ("MT-BERT", "task", 0, 0.01),
        ("CKD", "task", 0, 0.03),
        ("LRC-BERT", "task", 0, 0.02),
    ],
)
def test_a_micro_batch_of_a_method(method, phase, number, tolerance):
    """Student, teachers, word logits and lenses together; what is only estimated within ``tolerance``."""
    stage = stage_of(method, phase, number)
    data = batch(task=phase == "task", answer=True)
    student = GLMFamily(glm(stage.architecture))
    teachers = [
        GLMFamily(glm(teacher.architecture).eval().requires_grad_(False)) for teacher in stage.teachers
    ]
    bound = BoundObjective(stage.objective, student.shape, [teacher.shape for teacher in teachers])
    found = counted(lambda: bound.loss(data, student, teachers, Clock(0, 10)).total.backward())

    rows = Rows(ROWS, LENGTH, ROWS * LENGTH, float(data.predicted.sum()))
    ours, theirs = _micro_batch(stage, rows, SIZES, "COPA" if phase == "task" else None)
    expected = ours.flops + sum(work.flops for work in theirs)
    products = (FUSED_BACKWARD - 2) * attention(stage.architecture, ROWS, LENGTH)
    seen = reads(stage.objective, student.shape, tuple(teacher.shape for teacher in teachers))
    share = 1 - seen.visible / stage.architecture.layers
    expected -= products * seen.student_passes * seen.depth * share
    assert expected == pytest.approx(found, rel=max(tolerance, 1e-9))
