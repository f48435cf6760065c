"""Every step of every method runs, learns and repeats on small models."""

import csv

import pytest
import torch
from small_models import batch_for, models_for

from retort.distill.binding import BoundObjective
from retort.distill.schedules import Clock
from retort.recipes import glmd


def steps():
    for method in glmd.METHODS:
        links = method.chain.links if method.chain else ()
        variants = (("", (*method.steps, *links)), ("unequal", method.unequal))
        for kind, chosen in variants:
            for number, step in enumerate(chosen):
                yield pytest.param(method.name, kind, step, id=f"{method.name}{kind}-{number}")


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
        return method.steps[0]

    plain = [glmd.PD, glmd.SID, glmd.LRC_BERT, glmd.ANNEALING_KD, glmd.CKD, glmd.CONTINUATION_KD]
    assert len({first(method) for method in plain}) == 1
    assert first(glmd.RAIL_KD) == first(glmd.DISTILBERT)
    assert glmd.RAIL_KD.unequal[0] == first(glmd.MINILM)
    assert first(glmd.MGSKD) == first(glmd.TINYBERT)
    assert glmd.DGKD.chain.links[0] == glmd.TAKD.chain.links[0]
