"""Stored teacher signals stand for the teacher: same values, same loss, same gradient."""

from __future__ import annotations

import pytest
import torch

from retort.data.batches import collate_cloze, split
from retort.distill.binding import BoundObjective
from retort.distill.schedules import Clock
from retort.errors import InputError
from retort.models.features import CLASS, HARD, UNCHANGED, WORDS
from retort.models.glm_family import GLMFamily
from retort.training.glm_signals import CACHED, CachedTeacher
from retort.training.setup import load_frozen, starting_family

TASKS = ["RTE", "COPA", "ReCoRD", "WSC"]
CPU = torch.device("cpu")


@pytest.fixture(params=TASKS)
def task(request):
    return request.param


@pytest.fixture
def teachers(workshop, task):
    """The teacher itself, and its stored signals."""
    stage = workshop.stage("KD", 0).teachers[0]
    online = load_frozen(stage, workshop.job(stage), task)
    stored = workshop.plan.layout.signals(stage) / f"{task}.safetensors"
    return online, CachedTeacher(stored, online.shape, CPU)


def batch_of(workshop, task, order=slice(None), length=None):
    return collate_cloze(workshop.examples(task)[order], length, task == "WSC")


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), slice(1, 2), slice(2, 9, 3)])
@pytest.mark.parametrize("length", [None, 96])
def test_values_are_the_teacher_s(workshop, task, teachers, order, length):
    batch = batch_of(workshop, task, order, length)
    with torch.no_grad():
        online, cached = (teacher.observe(batch, CACHED) for teacher in teachers)
    assert torch.equal(cached.valid, batch.valid) and torch.equal(cached.example_of_row, batch.example_of_row)
    where = batch.valid
    torch.testing.assert_close(cached[WORDS].hidden[where], online[WORDS].hidden[where], rtol=1e-4, atol=1e-5)
    assert torch.equal(cached[WORDS].weight, online[WORDS].weight)
    assert not cached[WORDS].hidden[~where].any()
    torch.testing.assert_close(cached[CLASS], online[CLASS], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(cached[HARD], online[HARD], rtol=1e-4, atol=1e-4)


def test_some_tasks_need_filler_candidates(workshop):
    """Without these the tests above would prove less than they say."""
    widths = {task: {len(e.candidates) for e in workshop.examples(task)} for task in TASKS}
    assert widths["ReCoRD"] == {2, 3, 4, 5}
    assert widths["RTE"] == {1} and widths["COPA"] == {2}


@pytest.mark.parametrize(
    ("method", "number"),
    [("KD", 0), ("TinyBERT", 2), ("GLMD", 1), ("GLMD", 2), ("GLMD-vc", 1)],
)
@pytest.mark.parametrize("micro", [None, 3])
def test_loss_and_gradient_are_those_of_the_teacher(workshop, task, teachers, method, number, micro):
    stage = workshop.stage(method, number)
    job = workshop.job(stage)
    batch = batch_of(workshop, task)
    found = []
    for teacher in teachers:
        student = starting_family(stage, job, task)
        student.module.eval()
        kept = None if student.vocabulary is None else student.vocabulary.kept_ids
        objective = BoundObjective(stage.objective, student.shape, [teacher.shape], kept)
        assert objective.cacheable(0, CACHED)
        loss = 0.0
        for part in [batch] if micro is None else split(batch, micro):
            losses = objective.loss(part, student, [teacher], Clock(0, 1))
            losses.total.backward()
            loss += losses.total.item()
        found.append((loss, [p.grad for p in student.module.parameters() if p.grad is not None]))
    (online, by_online), (cached, by_cached) = found
    assert cached == pytest.approx(online, rel=1e-4)
    assert len(by_cached) == len(by_online) > 5
    for ours, theirs in zip(by_cached, by_online, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_cached_objective_runs_without_the_teacher(workshop, monkeypatch, tmp_path):
    """The training of such a stage never runs the teacher's network."""
    stage = workshop.stage("GLMD", 1)
    copy = workshop.without(stage, tmp_path)
    real, shapes = GLMFamily.observe, set()

    def observe(self, batch, want, patch=UNCHANGED):
        shapes.add(self.shape)
        return real(self, batch, want, patch)

    monkeypatch.setattr(GLMFamily, "observe", observe)
    copy.run(stage)
    assert stage.teachers[0].architecture.layers != stage.architecture.layers
    assert {shape.layers for shape in shapes} == {stage.architecture.layers}


def test_only_what_was_stored_can_be_asked_for(workshop, teachers, task):
    from retort.models.features import Site

    with pytest.raises(AssertionError):
        teachers[1].observe(batch_of(workshop, task), frozenset({Site("hidden", 1)}))


def test_missing_signals_are_named(tmp_path, workshop):
    with pytest.raises(
        InputError, match="RTE.safetensors: no teacher signals; run the step that writes them"
    ):
        CachedTeacher(tmp_path / "RTE.safetensors", None, CPU)


def test_signals_exist_for_every_task_of_the_teacher(workshop):
    folder = workshop.plan.layout.signals(workshop.stage("KD", 0).teachers[0])
    assert {path.stem for path in folder.glob("*.safetensors")} == set(TASKS)
