"""A world small enough to train in seconds, with everything that a few methods make in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from newest import evaluate_and_keep
from small_tracks import config_of, track_section
from small_tracks import overrides as text_overrides

from retort.config import load
from retort.data.parts import prepare_paper
from retort.data.store import load_examples, save_examples
from retort.files import seal
from retort.plan import Plan
from retort.runcard import Request
from retort.stages import Stage
from retort.training.checkpoints import Scratch
from retort.training.loop import Trainer
from retort.training.pretraining import pretrain
from retort.training.setup import Job, prepare_process
from retort.training.signals import store_signals
from retort.training.tasks import TaskTraining, train_tasks
from retort.training.vocabularies import make_vocabulary

MUON = {"learning_rate": 0.03, "momentum": 0.95, "newton_schulz_steps": 5, "weight_decay": 0.01}
OVERRIDES = {
    "papers": ["glmd"],
    # One answer word, two texts, a varying number of texts, texts scored by their mean.
    "tasks": ["RTE", "COPA", "ReCoRD", "WSC"],
    "methods": ["KD", "TinyBERT", "GLMD-vc", "GLMD"],
    "pairs": ["T1-S1"],
    "seeds": [1],
    "data": {"pocket": {"documents": 300, "train_size": 10, "dev_size": 8}},
    "models": {"S1": {"dropout": 0.2}},
    "pretraining": {"student": {"micro_batch_size": 4, "optimiser": {"muon": MUON}}},
    "task_training": {"epochs": 2, "batch_size": 4, "evaluations": 2},
    "variants": {"tables": [], "quirks": []},
}


EVERY_METHOD = {
    "papers": ["glmd"],
    "tasks": ["COPA"],
    "seeds": [1],
    "data": {"pocket": {"documents": 300, "train_size": 10, "dev_size": 4}},
    "task_training": {"epochs": 2, "batch_size": 4, "evaluations": 2},
    "variants": {"tables": [], "quirks": []},
}
"""Added to the smoke scale, which has all methods, the models that they need and dropout."""


class Killed(BaseException):
    """Stands for the end of a process: nothing in the library catches it."""


@dataclass(frozen=True)
class Workshop:
    """A plan and a results folder in which its stages can be run."""

    plan: Plan

    def stage(self, method: str, number: int) -> Stage:
        """Stage ``number`` (0 is the first) of a method's chain, on the only pair that it runs on."""
        (cell,) = (c for c in self.plan.cells if c.method == method)
        chain: list[Stage] = []
        current: Stage | None = cell.stages[0]
        while current is not None:
            chain.insert(0, current)
            current = current.init
        return chain[number]

    def job(self, stage: Stage) -> Job:
        """How a stage is run here."""
        return Job(self.plan.layout, self.plan.code(stage), torch.device("cpu"), Request.made_now({}))

    def run(self, stage: Stage) -> Path:
        """Run one stage whose ancestors are there; its folder."""
        job = self.job(stage)
        if stage.compression is not None and not self.plan.layout.vocabulary(stage).exists():
            make_vocabulary(stage, job)
        if stage.phase == "pretraining":
            pretrain(stage, job)
        else:
            for teacher in stage.told_by:
                if not self.plan.layout.signals(teacher).exists():
                    store_signals(teacher, job)
            train_tasks(stage, job)
        return self.plan.layout.stage(stage)

    def without(self, stage: Stage, results: Path) -> Workshop:
        """A copy of everything but a stage's results, to run that stage again."""
        root = self.plan.layout.root
        shutil.copytree(
            root, results / self.plan.config.scale, ignore=shutil.ignore_patterns(".finished", ".leases")
        )
        copy = Workshop(Plan(self.plan.config, results))
        shutil.rmtree(copy.plan.layout.stage(stage))
        return copy

    def examples(self, task: str, split: str = "train"):
        """Encoded examples of a task."""
        return load_examples(self.plan.layout.text(self.plan.text[task]), split)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    """Everything of four methods, finished. Read it; change only copies, under ``newest_best``."""
    with _newest_best():
        return _finished(OVERRIDES, tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def every_method(tmp_path_factory) -> Workshop:
    """Everything of all methods on one task, finished. Read it; change only copies, under ``newest_best``."""
    with _newest_best():
        return _finished(EVERY_METHOD, tmp_path_factory.mktemp("every_method"))


@pytest.fixture(scope="session")
def text_workshop(tmp_path_factory) -> Workshop:
    """Everything of a method of each family of transformers models, finished. Read it; change only copies."""
    pytest.importorskip("transformers")
    tasks = {"RTE": {"source": 24}, "STS-B": {"source": 24}, "MNLI": {"source": 24}}
    tracks = {
        "bert": track_section("BERT", ["BERT linear"], tasks=tasks),
        "bart": track_section("BART", ["BART linear C4"]),
        "mbart": track_section("mBART", ["mBART CKA"]),
        "t5": track_section("T5", ["T5 CKA"]),
    }
    prepare_process(1)
    made = Workshop(Plan(config_of(text_overrides(**tracks)), tmp_path_factory.mktemp("text_workshop")))
    plan = made.plan
    prepare_paper(plan, "cka")
    with _newest_best():
        for stage in plan.stages.values():
            made.run(stage)
    return made


@pytest.fixture
def newest_best() -> Iterator[None]:
    """Each evaluation beats those before it, so that published models hang on every update."""
    with _newest_best():
        yield


@contextmanager
def _newest_best() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskTraining, "_evaluate", evaluate_and_keep)
        yield


def _finished(overrides: dict[str, Any], results: Path) -> Workshop:
    prepare_process(1)
    plan = Plan(load("smoke", overrides), results)
    prepare_paper(plan, "glmd")
    if "ReCoRD" in plan.config.tasks:
        _make_ragged(plan.layout.text(plan.text["ReCoRD"]), "train")
    made = Workshop(plan)
    for stage in plan.stages.values():
        made.run(stage)
    return made


@pytest.fixture(autouse=True)
def _as_in_a_job():
    """Process settings of a training job; without them results are not those of the workshop."""
    prepare_process(1)


def _make_ragged(folder: Path, name: str) -> None:
    """The world's passages all name five entities; real ones vary, and batches need filler candidates."""
    examples = load_examples(folder, name)
    kept = [len(example.candidates) - index % 4 for index, example in enumerate(examples)]
    save_examples(
        folder, name, [replace(e, candidates=e.candidates[:n]) for e, n in zip(examples, kept, strict=True)]
    )
    seal(folder)


@pytest.fixture
def kill(monkeypatch):
    """``kill(saves, at)``: states are saved after updates ``saves``, the run dies before update ``at``."""

    def arm(saves: set[int], at: int, skip: int = 0) -> None:
        real, due = Trainer.update, {"steps": 0, "seen": 0}

        def update(self, batches, epoch=0):
            if self.step == at:
                due["seen"] += 1
                if due["seen"] > skip:
                    raise Killed
            report = real(self, batches, epoch)
            due["steps"] = report.step
            return report

        monkeypatch.setattr(Trainer, "update", update)
        monkeypatch.setattr(Scratch, "due", lambda self: due["steps"] in saves)

    def disarm() -> None:
        monkeypatch.undo()
        torch.manual_seed(424242)  # a new process has another generator

    arm.off = disarm
    return arm


def contents(folder: Path, *left_out: str) -> dict[str, bytes]:
    """Bytes of every file below a folder, run cards (which hold times) left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "card.json" and path.name not in left_out
    }


@pytest.fixture(scope="session", name="contents")
def _contents():
    return contents


@pytest.fixture(scope="session", name="killed")
def _killed():
    return Killed
