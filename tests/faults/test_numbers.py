"""Losses and gradients that are not finite: what broke is named, the last good state stays."""

from __future__ import annotations

import re

import pytest
import torch
from fault_world import STEPS
from newest import evaluate_and_keep

from retort.data.corpus import EncodedCorpus
from retort.distill.binding import Losses
from retort.errors import RetortError
from retort.training import tasks
from retort.training.checkpoints import Scratch
from retort.training.loop import Trainer
from retort.training.setup import prepare_process

KINDS = ("pretraining: words, compressed vocabulary", "task: features")
AT = 2
"""The update that breaks; the states after the first and second have been saved by then."""


def step_of(kind):
    return next(name for name, one in STEPS.items() if one.kind == kind)


def broken_loss(losses, parameter):
    name = next(iter(losses.parts))
    return Losses(losses.total * torch.nan, losses.parts | {name: losses.parts[name] * torch.inf})


def broken_gradient(losses, parameter):
    """sqrt has no slope at 0: the loss is what it was."""
    return losses._replace(total=losses.total + (0 * parameter.sum()).sqrt())


@pytest.fixture
def breaking(forge, monkeypatch):
    """Do a step whose update ``AT`` breaks in its last micro-batch; the error and the trainer."""
    prepare_process(1)
    monkeypatch.setattr(Scratch, "due", lambda self: True)
    monkeypatch.setattr(tasks.TaskTraining, "_evaluate", evaluate_and_keep)

    def run(kind, breaks):
        step = step_of(kind)
        forge.without(step)
        seen = {}

        def forward(self, shares, kind, real=Trainer._forward):
            losses = real(self, shares, kind)
            seen.update(trainer=self, count=seen.get("count", 0) + (self.step == AT))
            if self.step != AT:
                seen["weights"] = None
                return losses
            if seen["weights"] is None:
                seen["weights"] = [parameter.detach().clone() for parameter in self.parameters]
            last = seen["count"] == seen["micro"] if "micro" in seen else True
            return breaks(losses, self.parameters[0]) if last else losses

        def update(self, batches, epoch=0, real=Trainer.update):
            seen.update(micro=len(batches), batch=batches[-1])
            return real(self, batches, epoch)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_forward", forward)
            patch.setattr(Trainer, "update", update)
            with pytest.raises(RetortError) as error:
                STEPS[step].work(forge.plan)
        assert error.value.exit_code == 1 and "\n" not in str(error.value)
        return str(error.value), seen

    return run


@pytest.mark.parametrize("breaks", [broken_loss, broken_gradient])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_stops_the_run_with_its_last_good_state(forge, breaking, kind, breaks):
    message, seen = breaking(kind, breaks)
    step = step_of(kind)
    assert message.startswith(f"update {AT}: the loss is ") and message.endswith("nothing was published")
    trainer = seen["trainer"]
    assert trainer.step == AT
    for before, after in zip(seen["weights"], trainer.parameters, strict=True):
        assert torch.equal(before, after)
    published = forge.plan.layout.stage(forge.plan.stages[step])
    assert not (published / "model.safetensors").exists() and not (published / "metrics.json").exists()
    newest = max(forge.live.rglob("state-*.pt"))
    step_saved, state = Scratch(newest.parent).load()
    assert step_saved == AT and all(tensor.isfinite().all() for tensor in state["student"].values())
    ended = forge.attempt(step)  # the cause is mended: on from there
    assert ended.code == 0, ended.printed
    assert forge.differences() == []


def test_a_loss_names_its_term_and_the_micro_batch(breaking):
    message, seen = breaking("pretraining: words, compressed vocabulary", broken_loss)
    assert seen["micro"] == 2
    assert f"(term 0-words; examples {', '.join(seen['batch'].keys)}): lower the learning rate" in message


def test_a_gradient_names_its_parameters_and_all_examples(breaking):
    message, seen = breaking("pretraining: words, compressed vocabulary", broken_gradient)
    assert f"its gradient is not (1 parameters, first {seen['trainer'].names[0]}; examples corpus/" in message
    assert message.count("corpus/") == 8


def test_a_named_sample_is_the_document_that_was_masked(forge, breaking):
    """Its number counts the documents of the corpus from 0; its words are the document's."""
    message, seen = breaking("pretraining: words, compressed vocabulary", broken_loss)
    stage = forge.plan.stages[step_of("pretraining: words, compressed vocabulary")]
    corpus = EncodedCorpus.open(forge.plan.layout.text(stage.data) / "corpus")
    batch = seen["batch"]
    for row, (document, sample) in enumerate(re.findall(r"corpus/(\d+) \(sample (\d+)\)", message)):
        words = corpus.document(int(document)).tolist()
        tokens = batch.tokens[row][batch.valid[row] & ~batch.predicted[row]].tolist()
        assert len(set(tokens) & set(words)) >= len(set(tokens)) - 5  # [CLS], eos, [MASK] and the like
        assert int(sample) < stage.schooling.steps * stage.schooling.batch_size * 16


def test_tasks_name_their_examples(forge, breaking):
    message, seen = breaking("task: features", broken_loss)
    assert all(key in message for key in seen["batch"].keys) and "RTE/train/" in message
