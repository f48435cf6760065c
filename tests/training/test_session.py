"""A stage's job that is stopped, started twice, or asked for again: nothing is lost, nothing made twice."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from retort.config.model import as_text
from retort.files import seal
from retort.models import checkpoint
from retort.models.checkpoint import WEIGHTS
from retort.training import finished, interruption
from retort.training.interruption import Interrupted
from retort.training.loop import Trainer
from retort.training.pretraining import pretrain
from retort.training.session import run_stage
from retort.training.setup import scratch_folder
from retort.training.tasks import train_tasks

pytestmark = pytest.mark.usefixtures("newest_best")

STAGES = [("TinyBERT", 0, pretrain), ("TinyBERT", 1, train_tasks)]


def refuse(stage, job):
    pytest.fail(f"{stage.id} was trained again")


# Stopping


@pytest.fixture
def signals(monkeypatch):
    """As a script has them."""
    monkeypatch.setattr(interruption, "_reasons", [])
    with interruption.listening():
        yield


@pytest.mark.parametrize(("method", "number", "train"), STAGES)
@pytest.mark.parametrize("sent", interruption.SIGNALS)
def test_a_job_that_is_asked_to_stop_goes_on_to_the_same_bytes(
    workshop, tmp_path, signals, monkeypatch, contents, method, number, train, sent
):
    stage = workshop.stage(method, number)
    copy = workshop.without(stage, tmp_path)
    job = copy.job(stage)
    real, updates = Trainer.update, []

    def update(self, batches, epoch=0):
        if len(updates) == 2:
            os.kill(os.getpid(), sent)
        updates.append(self.step)
        return real(self, batches, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", update)
        with pytest.raises(Interrupted) as told:
            run_stage(stage, job, train)
    assert updates == [0, 1, 2]  # the update that was under way is the last one
    assert re.fullmatch(
        rf"{sent.name}: stopped after update 3 of \d+, the state is saved; "
        r"run the same command again to go on from there",
        str(told.value),
    )
    assert told.value.exit_code == 75 and not copy.plan.layout.stage(stage).exists()
    interruption._reasons.clear()
    torch.manual_seed(424242)  # a new process has another generator
    again = []
    monkeypatch.setattr(Trainer, "update", lambda self, *a: (again.append(self.step), real(self, *a))[1])
    run_stage(stage, job, train)
    assert again[0] == 3
    assert contents(copy.plan.layout.stage(stage)) == contents(workshop.plan.layout.stage(stage))


def test_signals_are_as_they_were_when_a_job_has_ended():
    before = [signal.getsignal(number) for number in interruption.SIGNALS]
    with interruption.listening():
        assert [signal.getsignal(number) for number in interruption.SIGNALS] != before
    assert [signal.getsignal(number) for number in interruption.SIGNALS] == before


def test_who_is_asked_in_the_last_update_finishes(workshop, tmp_path, signals, monkeypatch):
    stage = workshop.stage("TinyBERT", 0)
    copy = workshop.without(stage, tmp_path)
    real = Trainer.update

    def update(self, batches, epoch=0):
        if self.step == self.total - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batches, epoch)

    monkeypatch.setattr(Trainer, "update", update)
    run_stage(stage, copy.job(stage), pretrain)
    assert (copy.plan.layout.stage(stage) / WEIGHTS).is_file()


# Keeping


@pytest.mark.parametrize(("method", "number", "train"), STAGES)
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "a file system without them"])
def test_finished_results_come_back_without_training(
    workshop, tmp_path, monkeypatch, contents, capsys, method, number, train, links
):
    stage = workshop.stage(method, number)
    copy = workshop.without(stage, tmp_path)
    job, folder = copy.job(stage), copy.plan.layout.stage(stage)
    if not links:
        monkeypatch.setattr(finished.os, "link", lambda *paths: (_ for _ in ()).throw(OSError("no links")))
    run_stage(stage, job, train)
    made = contents(folder)
    assert made == contents(workshop.plan.layout.stage(stage))
    (kept,) = copy.plan.layout.root.glob(".finished/*")
    model = next(folder.rglob(WEIGHTS))
    assert (model.stat().st_nlink == 2) == links
    shutil.rmtree(folder)
    old = time.time() - 1000
    for path in kept.rglob("*"):
        if path.is_file():
            os.utime(path, (old, old))
    run_stage(stage, job, refuse)
    assert contents(folder) == made
    last = folder / ("metrics.json" if stage.tasks else WEIGHTS)
    assert last.stat().st_mtime > old + 900  # newer than whatever it was made from
    assert f"{stage.id}: was finished before; published again from {kept}" in capsys.readouterr().err
    run_stage(stage, job, refuse)  # over what is there
    assert contents(folder) == made and not list(folder.rglob(".*"))


def test_kept_results_of_other_inputs_are_not_used(workshop, tmp_path):
    stage = workshop.stage("TinyBERT", 1)
    copy = workshop.without(stage, tmp_path)
    job = copy.job(stage)
    run_stage(stage, job, train_tasks)
    path = copy.plan.layout.stage(stage.init) / WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    seal(path.parent)
    trained = []
    run_stage(stage, job, lambda *given: trained.append(given))
    assert trained == [(stage, job)]


def test_results_are_kept_whole_or_not_at_all(workshop, tmp_path, monkeypatch, killed):
    """The process dies while it writes; the training state is still there."""
    stage = workshop.stage("TinyBERT", 0)
    copy = workshop.without(stage, tmp_path)
    job = copy.job(stage)

    def die(*arguments):
        raise killed

    monkeypatch.setattr("retort.models.glm_builder.save_glm", die)
    with pytest.raises(killed):
        run_stage(stage, job, pretrain)
    assert not copy.plan.layout.kept(scratch_folder(stage, job)).exists()
    assert not copy.plan.layout.stage(stage).exists()


# Reading


@pytest.mark.parametrize(("method", "number", "train"), STAGES)
def test_no_model_is_hashed_but_when_it_is_loaded(workshop, tmp_path, monkeypatch, method, number, train):
    stage = workshop.stage(method, number)
    copy = workshop.without(stage, tmp_path)
    loaded, hashed = [], []
    load, digest = checkpoint.load_file, hashlib.file_digest
    monkeypatch.setattr(checkpoint, "load_file", lambda path: (loaded.append(path), load(path))[1])
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (hashed.append(Path(file.name)), digest(file, kind))[1]
    )
    run_stage(stage, copy.job(stage), train)
    # What the stage made itself is hashed for its seal, before it has its final place.
    read = [path for path in hashed if path.suffix == ".safetensors" and "stages" in path.parts]
    assert loaded and sorted(read) == sorted(loaded)


# Two at a time


def test_the_second_of_two_processes_takes_the_first_one_s_results(workshop, root, tmp_path, contents):
    stage = workshop.stage("GLMD", 0)
    copy = workshop.without(stage, tmp_path)
    config = copy.plan.layout.root / "config.json"
    config.write_text(as_text(copy.plan.config))
    command = [sys.executable, str(root / "scripts" / "pretrain.py"), "--config", str(config)]
    command += ["--results", str(tmp_path), "--stage", stage.id]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    waited = [text for text in errors if "waiting for its end" in text]
    again = [text for text in errors if "was finished before; published again" in text]
    trained = [text for text in errors if "tok/s" in text]
    assert len(again) == len(trained) == 1 and again != trained and waited in ([], again)
    assert contents(copy.plan.layout.stage(stage)) == contents(workshop.plan.layout.stage(stage))
    assert not list(copy.plan.layout.leases.iterdir())
