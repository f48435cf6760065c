"""Every step of every method runs, learns and repeats on small models."""

import csv

import numpy as np
import pytest
import torch

from retort.data.batches import collate, collate_cloze
from retort.data.examples import ClozeExample, GLMExample
from retort.distill.binding import BoundObjective
from retort.distill.schedules import Clock
from retort.files import digest_of
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.recipes import glmd
from retort.stages import to_json

SEVERAL = {"TMKD", "MT-BERT", "RL-KD", "Uncertainty", "DGKD"}
EQUAL_WIDTHS = {"PKD", "DistilBERT", "Theseus", "SID", "MobileBERT", "ALP-KD", "DIITO", "RAIL-KD"}


def steps():
    for method in glmd.METHODS:
        links = method.chain.links if method.chain else ()
        variants = (("", (*method.steps, *links)), ("unequal", method.unequal))
        for kind, chosen in variants:
            for number, step in enumerate(chosen):
                yield pytest.param(method.name, kind, step, id=f"{method.name}{kind}-{number}")


def family(layers, width, seed):
    torch.manual_seed(seed)
    return GLMFamily(GLM(GLMConfig(layers, width, 4, 60, 30, 0.0)).double())


def example(generator, answer):
    sep = int(torch.randint(4, 9, (), generator=generator))
    length = sep + answer
    tokens = torch.randint(1, 60, (length,), generator=generator).numpy().astype(np.int32)
    predicted = np.arange(length) >= sep
    positions = np.stack([np.arange(length), np.maximum(0, np.arange(length) - sep + 1)]).astype(np.int32)
    return GLMExample(tokens, positions, sep, np.where(predicted, tokens, 0).astype(np.int32), predicted)


def batch_for(phase):
    g = torch.Generator().manual_seed(2)
    if phase == "pretraining":
        return collate([example(g, n) for n in (3, 1, 4, 2)])
    cloze = [ClozeExample(f"x/{i}", tuple(example(g, 1 + c) for c in range(3)), i, None) for i in range(3)]
    return collate_cloze(cloze)


def models_for(name, kind, step, layers):
    """A student of so many layers and the teachers of the step."""
    equal = name in EQUAL_WIDTHS and not kind
    student = family(layers, 96 if equal else 64, 0)
    number = 2 * (name in SEVERAL) + step.encoder or 1
    teachers = [family(3, 96, seed + 1) for seed in range(number)]
    for teacher in teachers:
        teacher.module.eval().requires_grad_(requires_grad=False)
    return student, teachers if step.objective.needs_teacher else []


@pytest.mark.parametrize(("name", "kind", "step"), list(steps()))
@pytest.mark.parametrize("layers", [1, 2])
def test_every_step_trains_the_student_and_repeats(name, kind, step, layers):
    student, teachers = models_for(name, kind, step, layers)
    batch = batch_for(step.phase)
    torch.manual_seed(9)
    bound = BoundObjective(step.objective, student.shape, [teacher.shape for teacher in teachers]).double()
    for clock in (Clock(0, 10), Clock(4, 10, epoch=1), Clock(9, 10, epoch=2)):
        state = {key: value.clone() for key, value in bound.state_dict().items()}
        loss = bound.loss(batch, student, teachers, clock).total
        assert torch.isfinite(loss)
        student.module.zero_grad()
        loss.backward()
        moved = [p.grad for p in student.module.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in moved)
        survivors = loss != 0 or name == "DGKD"
        assert not survivors or any(gradient.any() for gradient in moved)
        bound.load_state_dict(state)
        assert torch.equal(bound.loss(batch, student, teachers, clock).total, loss)


def test_the_papers_rows_are_all_there(root):
    with (root / "resources/paper/glmd/table3.csv").open(newline="") as stream:
        printed = {row["method"] for row in csv.DictReader(stream)} - {"GLM"}
    names = [method.name for method in glmd.METHODS]
    assert set(names) == printed
    assert len(names) == len(set(names)) == 30


def test_methods_share_their_common_ancestors():
    def first(method):
        return digest_of(to_json(method.steps[0]))

    plain = [glmd.PD, glmd.SID, glmd.LRC_BERT, glmd.ANNEALING_KD, glmd.CKD, glmd.CONTINUATION_KD]
    assert len({first(method) for method in plain}) == 1
    assert first(glmd.RAIL_KD) == first(glmd.DISTILBERT)
    assert digest_of(to_json(glmd.RAIL_KD.unequal[0])) == first(glmd.MINILM)
    assert first(glmd.MGSKD) == first(glmd.TINYBERT)
    assert glmd.DGKD.chain.links[0] == glmd.TAKD.chain.links[0]
