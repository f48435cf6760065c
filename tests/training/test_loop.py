"""The loop: micro-batches add up, everything hangs on the clock, bad losses stop it."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from retort.data.batches import collate_cloze, split
from retort.distill.binding import BoundObjective
from retort.distill.distances import KL
from retort.distill.objective import hard, words
from retort.distill.schedules import Clock, Linear
from retort.errors import RetortError
from retort.runs import Optimiser
from retort.training import loop
from retort.training.checkpoints import Scratch
from retort.training.loop import Trainer, run
from retort.training.setup import load_teachers, starting_family

ADAM = Optimiser(1e-2, (0.9, 0.99), 1e-8, 0.01, 1.0, "linear", warmup=0.0, floor=0.1)


def trainer_of(workshop, objective, task="RTE", settings=ADAM, total=10, double=False, dropout=False):
    """A student of the workshop with a teacher, on one task."""
    stage = workshop.stage("GLMD-vc", 1)
    job = workshop.job(stage)
    torch.manual_seed(0)
    student = starting_family(stage, job, task)
    (teacher,) = load_teachers(stage, job, task)
    bound = BoundObjective(objective.in_phase("task"), student.shape, [teacher.shape])
    for part in (student.module, teacher.module, bound):
        part.to(torch.float64 if double else torch.float32)
    trainer = Trainer(student, [teacher], bound, settings, total)
    if not dropout:
        student.module.eval()
    return trainer


def batch_of(workshop, task="RTE", chosen=slice(0, 6)):
    return collate_cloze(workshop.examples(task)[chosen], None, task == "WSC")


def gradients(trainer, batches):
    """Of the global batch, before any clipping."""
    shares = trainer.objective.losses(batches, trainer.student, trainer.teachers, Clock(0, 1))
    for batch in batches:
        trainer._forward(shares, batch.valid.device.type).total.backward()
    return [p.grad.clone() for p in trainer.parameters if p.grad is not None]


@pytest.mark.parametrize("task", ["RTE", "COPA", "ReCoRD", "WSC"])
@pytest.mark.parametrize("method", ["KD", "TinyBERT", "GLMD-vc"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_any_split_of_a_batch_gives_the_same_gradient(workshop, task, method, size):
    objective = workshop.stage(method, 0 if method == "KD" else 1).objective
    batch = batch_of(workshop, task)
    torch.manual_seed(3)
    whole = gradients(trainer_of(workshop, objective, task, double=True), [batch])
    torch.manual_seed(3)
    parts = gradients(trainer_of(workshop, objective, task, double=True), split(batch, size))
    assert len(whole) == len(parts) > 5
    for ours, theirs in zip(whole, parts, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


def test_a_split_update_reports_the_loss_of_the_whole(workshop):
    objective = hard() + words(KL(2.0))
    batch = batch_of(workshop)
    whole = trainer_of(workshop, objective, double=True).update([batch])
    parts = trainer_of(workshop, objective, double=True).update(split(batch, 2))
    assert parts.loss == pytest.approx(whole.loss) and parts.parts.keys() == whole.parts.keys()
    for name, value in whole.parts.items():
        assert parts.parts[name] == pytest.approx(value)
    assert parts.gradient_norm == pytest.approx(whole.gradient_norm)
    assert parts.tokens == whole.tokens == int(batch.valid.sum())
    assert whole.loss == pytest.approx(sum(whole.parts.values()))


def test_training_lowers_the_loss(workshop):
    trainer = trainer_of(workshop, hard(), total=30)
    losses = [trainer.update([batch_of(workshop)]).loss for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_first_update_of_a_warm_up_changes_nothing(workshop):
    trainer = trainer_of(workshop, hard(), settings=dataclasses.replace(ADAM, warmup=0.5, weight_decay=0.1))
    before = [p.detach().clone() for p in trainer.parameters]
    assert trainer.update([batch_of(workshop)]).learning_rate == 0
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))
    assert trainer.update([batch_of(workshop)]).learning_rate == pytest.approx(1 / 5)
    assert not all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))


def test_gradients_are_clipped_and_told_as_they_were(workshop, monkeypatch):
    trainer = trainer_of(workshop, hard(), settings=dataclasses.replace(ADAM, clip_norm=1e-3))
    seen = []
    real = torch.optim.AdamW.step

    def step(self, *arguments, **named):
        norms = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        seen.append(torch.stack(norms).norm().item())
        return real(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    report = trainer.update([batch_of(workshop)])
    assert report.gradient_norm > 0.01 and seen == [pytest.approx(1e-3, rel=1e-2)]


def test_schedules_see_the_clock(workshop):
    schedule = Linear(1.0, 0.0)
    trainer = trainer_of(workshop, hard() + words(KL(), weight=schedule), total=4)
    shares = []
    for _ in range(4):
        report = trainer.update([batch_of(workshop)])
        shares.append(report.parts["1-words"] / word_term(trainer, batch_of(workshop)))
    assert shares == pytest.approx([1.0, 0.75, 0.5, 0.25], rel=0.2)
    assert trainer.step == 4


def word_term(trainer, batch):
    """The unweighted word term after the update: close to that before it, as the rate is small."""
    fresh = BoundObjective(words(KL()), trainer.student.shape, [trainer.teachers[0].shape])
    with torch.no_grad():
        return fresh.loss(batch, trainer.student, trainer.teachers, Clock(0, 1)).total.item()


def test_a_teacher_is_never_trained(workshop):
    trainer = trainer_of(workshop, words(KL()))
    before = [value.clone() for value in trainer.teachers[0].module.state_dict().values()]
    trainer.update([batch_of(workshop)])
    assert all(
        torch.equal(a, b)
        for a, b in zip(before, trainer.teachers[0].module.state_dict().values(), strict=True)
    )
    own = {id(parameter) for parameter in trainer.parameters}
    assert not own & {id(parameter) for parameter in trainer.teachers[0].module.parameters()}


def test_a_teacher_is_not_run_where_nothing_is_compared(workshop, monkeypatch):
    trainer = trainer_of(workshop, hard())
    monkeypatch.setattr(trainer.teachers[0], "observe", lambda *arguments: pytest.fail("the teacher was run"))
    trainer.update([batch_of(workshop)])


def test_a_loss_that_is_not_finite_changes_nothing(workshop):
    trainer = trainer_of(workshop, hard() + words(KL()))
    trainer.update([batch_of(workshop)])
    with torch.no_grad():
        trainer.teachers[0].module.transformer.final_layernorm.bias[0] = math.nan
    before = [p.detach().clone() for p in trainer.parameters]
    batch = batch_of(workshop)
    with pytest.raises(
        RetortError, match=r"^update 1: the loss is not finite \(term 1-words; examples RTE/"
    ) as e:
        trainer.update(split(batch, 3))
    first, second = split(batch, 3)
    assert all(key in str(e.value) for key in first.keys)
    assert not any(key in str(e.value) for key in second.keys)
    assert trainer.step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))


def test_a_gradient_that_is_not_finite_changes_nothing(workshop):
    """Clipping would spread it to every weight; the loss says nothing of it."""
    trainer = trainer_of(workshop, hard())
    trainer.update([batch_of(workshop)])
    before = [p.detach().clone() for p in trainer.parameters]
    hook = trainer.parameters[3].register_hook(lambda gradient: gradient / 0)
    with pytest.raises(RetortError, match="the loss is finite, its gradient is not") as error:
        trainer.update([batch_of(workshop)])
    hook.remove()
    assert f"(1 parameters, first {trainer.names[3]}; examples RTE/train/" in str(error.value)
    assert trainer.step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))


@pytest.mark.parametrize("limit", [None, 1.0])
def test_clipping_is_torch_s_own(workshop, limit):
    """The norm is looked at between its two halves."""
    trainer = trainer_of(workshop, hard(), settings=dataclasses.replace(ADAM, clip_norm=limit))
    gradients(trainer, [batch_of(workshop)])
    ours = [p.grad.clone() for p in trainer.parameters if p.grad is not None]
    norm = trainer._clip([batch_of(workshop)])
    clipped = [p.grad.clone() for p in trainer.parameters if p.grad is not None]
    for parameter, gradient in zip((p for p in trainer.parameters if p.grad is not None), ours, strict=True):
        parameter.grad = gradient
    wanted = torch.nn.utils.clip_grad_norm_(trainer.parameters, limit or math.inf, foreach=True)
    assert torch.equal(norm, wanted) and norm > 1
    theirs = [p.grad for p in trainer.parameters if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(clipped, theirs, strict=True))


def test_the_gpu_s_generator_is_saved_and_restored_where_one_is_used(monkeypatch):
    """By a stand-in: dropout on a GPU draws from its own generator."""
    gpu, seen = torch.device("cuda", 1), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.tensor([7, device.index]))
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device: seen.append((state.tolist(), device))
    )
    state = loop._random_state(gpu)
    drawn = torch.rand(3)
    loop._set_random_state(state, gpu)
    assert seen == [([7, 1], gpu)] and torch.equal(torch.rand(3), drawn)
    assert loop._random_state(torch.device("cpu")).keys() == {"cpu"}
    loop._set_random_state({"cpu": state["cpu"]}, torch.device("cpu"))
    assert len(seen) == 1 and torch.equal(torch.rand(3), drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_dropout_on_a_gpu_is_repeated():
    gpu = torch.device("cuda")
    state = loop._random_state(gpu)
    drawn = torch.nn.functional.dropout(torch.ones(1000, device=gpu))
    loop._set_random_state(state, gpu)
    assert torch.equal(torch.nn.functional.dropout(torch.ones(1000, device=gpu)), drawn)


def test_a_restored_trainer_goes_on_bit_by_bit(workshop, tmp_path):
    objective = workshop.stage("TinyBERT", 1).objective  # with a lens
    muon = workshop.stage("TinyBERT", 0).schooling.optimiser

    def fresh():
        return trainer_of(workshop, objective, settings=muon, dropout=True)

    straight = fresh()
    scratch = Scratch(tmp_path / "scratch")
    reports = []
    for step in range(6):
        if step == 3:
            scratch.save(3, straight.state())
        reports.append(straight.update([batch_of(workshop)]))
    resumed = fresh()
    torch.manual_seed(99)
    step, state = scratch.load()
    resumed.restore(state)
    assert step == resumed.step == 3
    again = [resumed.update([batch_of(workshop)]) for _ in range(3)]
    assert [(r.step, r.loss, r.gradient_norm) for r in again] == [
        (r.step, r.loss, r.gradient_norm) for r in reports[3:]
    ]
    for ours, theirs in zip(resumed.parameters, straight.parameters, strict=True):
        assert torch.equal(ours, theirs)


class Watched(Scratch):
    """Due after every second update; remembers what was saved."""

    def __init__(self, folder):
        super().__init__(folder)
        self.saved = []
        self.asked = 0

    def due(self):
        self.asked += 1
        return self.asked % 2 == 0

    def save(self, step, state):
        self.saved.append((step, state["extra"]))
        super().save(step, state)


def test_the_loop_asks_for_each_batch_once_and_saves_on_the_way(workshop, tmp_path):
    trainer = trainer_of(workshop, hard(), total=6)
    asked, reported, epochs = [], [], []
    scratch = Watched(tmp_path / "scratch")
    real = trainer.update

    def update(batches, epoch=0):
        epochs.append(epoch)
        return real(batches, epoch)

    trainer.update = update
    run(
        trainer,
        lambda step: (asked.append(step), [batch_of(workshop)])[1],
        lambda report: reported.append(report.step),
        scratch,
        epoch_of=lambda step: step // 2,
        extra=lambda: {"reports": list(reported)},
    )
    assert asked == [0, 1, 2, 3, 4, 5] and reported == [1, 2, 3, 4, 5, 6]
    assert epochs == [0, 0, 1, 1, 2, 2]
    # The end is published, not saved; a state holds what the caller knew at that moment.
    assert scratch.saved == [(2, {"reports": [1, 2]}), (4, {"reports": [1, 2, 3, 4]})]


def test_a_finished_trainer_has_nothing_to_do(workshop, tmp_path):
    trainer = trainer_of(workshop, hard(), total=1)
    trainer.update([batch_of(workshop)])
    run(trainer, lambda step: pytest.fail("asked for a batch"), lambda report: None, Scratch(tmp_path))


def test_the_message_names_few_examples_and_the_terms():
    class Batch:
        keys = tuple(f"RTE/train/{number}" for number in range(20))

    parts = {
        "0-class": torch.tensor(1.0),
        "1-hard": torch.tensor(math.nan),
        "2-words": torch.tensor(math.inf),
    }
    text = loop._not_finite(7, parts, Batch())
    assert text.startswith("update 7: the loss is not finite (term 1-hard, 2-words; examples RTE/train/0, ")
    assert "RTE/train/7 and 12 more" in text and "RTE/train/8" not in text
