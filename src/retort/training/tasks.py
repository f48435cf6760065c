"""Task stages: fine-tuning a teacher, or distilling a student on each task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch

from retort.data.batches import GLMBatch, collate_cloze
from retort.data.examples import ClozeExample
from retort.data.store import load_examples
from retort.data.superglue.tasks import spec_of
from retort.distill.binding import BoundObjective
from retort.evaluation.metrics import selection_score
from retort.evaluation.predictions import Evaluation, evaluate, write_predictions
from retort.evaluation.selection import own_best, runs_by_task
from retort.files import SEAL, atomic_folder, json_digest, read_json, remove_folder, seal, write_json
from retort.models.checkpoint import load_tensors, save_glm, save_tensors
from retort.models.features import Family
from retort.models.glm_family import GLMFamily
from retort.progress import Progress
from retort.runcard import Cost, Origin, Stopwatch, write_card
from retort.stages import Stage, TaskRun, to_json
from retort.training.checkpoints import Scratch
from retort.training.distribution import ALONE, World, deal
from retort.training.finished import link_tree, publishing
from retort.training.loop import StepReport, Trainer, run
from retort.training.memory import tells_memory
from retort.training.setup import (
    Job,
    autocast_dtype,
    load_frozen,
    model_folder,
    models_read,
    progress_of,
    scratch_folder,
    shape_of,
    starting_model,
    vocabulary_map,
    weights_digest,
    write_log,
)
from retort.training.signals import CACHED, CachedTeacher


@dataclass
class _Diary:
    """What is remembered of a run besides the trainer's state; survives a restart."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.time)
    log: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)


class TaskBatches:
    """Batches of a task run: another seeded order each epoch, the last batch may be smaller.

    Of several processes each gets its micro-batches (see :func:`deal`).
    """

    def __init__(
        self,
        examples: Sequence[ClozeExample],
        settings: TaskRun,
        seed: int,
        world: World = ALONE,
        together: bool = False,
    ) -> None:
        self._world = world
        self._together = together
        self._examples = examples
        self._settings = settings
        self._seed = seed
        self._mean = spec_of(settings.task).length_penalty == 1
        self.per_epoch = -(-len(examples) // settings.batch_size)
        self.total = settings.epochs * self.per_epoch
        self._order: tuple[int, list[int]] = (-1, [])

    def epoch(self, step: int) -> int:
        """Finished passes over the data after ``step`` updates."""
        return step // self.per_epoch

    def __call__(self, step: int) -> list[GLMBatch]:
        """Micro-batches of the update after ``step`` finished ones."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            order = list(range(len(self._examples)))
            Random(f"{self._seed}/{self._settings.task}/{epoch}").shuffle(order)
            self._order = (epoch, order)
        size = self._settings.batch_size
        chosen = self._order[1][place * size : (place + 1) * size]
        length = self._settings.max_length if self._settings.padding == "fixed" else None
        batch = collate_cloze([self._examples[i] for i in chosen], length, self._mean)
        return deal(batch, self._settings.micro_batch_size or size, self._world, self._together)


class Classroom:
    """What all runs of a stage on a task share, read once: examples and frozen teachers."""

    def __init__(self, stage: Stage, task: str, job: Job) -> None:
        text = job.layout.text(stage.text(task))
        self.train = load_examples(text, "train")
        self.dev = load_examples(text, "val")
        self.shapes = [shape_of(teacher, job, task) for teacher in stage.teachers]
        self._stage, self._task, self._job = stage, task, job
        self._teachers: dict[int, Family] = {}

    def teachers(self, objective: BoundObjective) -> list[Family]:
        """Each teacher, or its stored signals where they hold all that the objective reads."""
        return [self._teacher(number, objective) for number in range(len(self.shapes))]

    def _teacher(self, number: int, objective: BoundObjective) -> Family:
        if number not in self._teachers:
            source, job = self._stage.teachers[number], self._job
            if source.phase != "task" or not objective.cacheable(number, CACHED):
                self._teachers[number] = load_frozen(source, job, self._task)
            else:
                stored = job.layout.signals(source) / f"{self._task}.safetensors"
                self._teachers[number] = CachedTeacher(stored, self.shapes[number], job.device)
        return self._teachers[number]


class TaskTraining:
    """One run of a stage on one task, by its name in the stage."""

    def __init__(self, stage: Stage, name: str, room: Classroom, job: Job, progress: Progress) -> None:
        self.stage = stage
        self.name = name
        self.settings = settings = stage.runs[name]
        self.job = job
        self.progress = progress
        self.room = room
        self.mean_over_tokens = spec_of(settings.task).length_penalty == 1
        self.batches = TaskBatches(room.train, settings, stage.seed, job.world, stage.objective.together)
        self.student = GLMFamily(starting_model(stage, job, name), vocabulary_map(stage, job))
        self.trainer = self._trainer()
        self.diary, self.watch = _Diary(), Stopwatch()
        self.best: tuple[dict[str, torch.Tensor], Evaluation] | None = None

    def _trainer(self) -> Trainer:
        stage, job, shapes = self.stage, self.job, self.room.shapes
        kept = None if self.student.vocabulary is None else self.student.vocabulary.kept_ids
        objective = BoundObjective(stage.objective, self.student.shape, shapes, kept).to(job.device)
        if stage.carry_lenses:
            assert stage.init is not None
            folder = model_folder(stage.init, job.layout, self.name)
            objective.load_state_dict(load_tensors(folder / "lenses.safetensors"))
        teachers = self.room.teachers(objective)
        torch.manual_seed(stage.seed)
        return Trainer(
            self.student,
            teachers,
            objective,
            self.settings.optimiser,
            self.batches.total,
            stage.seed,
            autocast_dtype(stage.precision),
            self.job.world,
        )

    def run(self, scratch: Scratch) -> None:
        """Train from the newest saved state, evaluating on the way; keep the best model."""
        resumed = scratch.load(self.job.device)
        if resumed is None:
            self._evaluate(0)
        else:
            self._restore(resumed[1])
        self.progress.begin(self.name, self.batches.total, self.trainer.step)
        due = evaluation_steps(self.batches, self.settings)

        def after(report: StepReport) -> None:
            self.diary.seconds += report.seconds
            self.diary.tokens += report.tokens
            self.progress.update(report.step, report.tokens, report.loss)
            if report.step % self.batches.per_epoch == 0 or report.step == self.batches.total:
                self.diary.log.append({"step": report.step, "loss": report.loss, "parts": report.parts})
            if report.step in due:
                self._evaluate(report.step)
            self.diary.processor_seconds += self.watch.lap()

        def batches(step: int) -> list[GLMBatch]:
            return [batch.to(self.job.device) for batch in self.batches(step)]

        run(self.trainer, batches, after, scratch, self.batches.epoch, self._extra)

    def _evaluate(self, step: int) -> None:
        """Evaluate on dev; keep the parameters if no earlier evaluation was as good."""
        found = self._measure()
        self.diary.evaluations.append(
            {"step": step, "all": found.metrics, "select": found.select, "report": found.report}
        )
        scores = [selection_score(self.settings.task, e["all"]) for e in self.diary.evaluations]
        if scores[-1] > max(scores[:-1], default=float("-inf")):
            weights = {name: t.detach().clone() for name, t in self.student.module.state_dict().items()}
            self.best = (weights, found)

    def _extra(self) -> dict[str, Any]:
        assert self.best is not None
        return {"diary": vars(self.diary), "best": self.best[0]}

    def _restore(self, state: dict[str, Any]) -> None:
        """Continue; the best evaluation is made again from the saved parameters."""
        self.diary = _Diary(**state["extra"]["diary"])
        best = state["extra"]["best"]
        self.student.module.load_state_dict(best)
        self.best = (best, self._measure())
        self.trainer.restore(state)

    def _measure(self) -> Evaluation:
        task, dev = self.settings.task, self.room.dev
        return evaluate(self.student, task, dev, self.job.device, self.mean_over_tokens, self.job.world)

    def publish(self, folder: Path) -> None:
        """Write the best model, its predictions, the logs and a run card to ``folder``."""
        assert self.best is not None
        weights, evaluation = self.best
        self.student.module.load_state_dict(weights)
        whole = self.job.world.whole(weights)
        if not self.job.world.first:
            return
        with atomic_folder(folder) as temporary:
            save_glm(temporary, self.student.module, whole)
            lenses = self.trainer.objective.state_dict()
            if lenses:
                save_tensors(temporary / "lenses.safetensors", lenses)
            write_predictions(temporary / "predictions.jsonl", evaluation)
            write_log(temporary / "log.jsonl", self.diary.log)
            write_json(temporary / "metrics.json", {"evaluations": self.diary.evaluations})
            seal(temporary)
            self._card(temporary / "card.json", evaluation, whole)

    def _card(self, path: Path, evaluation: Evaluation, weights: dict[str, torch.Tensor]) -> None:
        layout, task, diary = self.job.layout, self.settings.task, self.diary
        texts = (layout.text(self.stage.data), layout.text(self.settings.text))
        inputs = [texts[0] / "tokenizer.json", *(texts[1] / f"{split}.npz" for split in ("train", "val"))]
        inputs += models_read(self.stage, layout, self.name)
        write_card(
            path,
            Origin(
                to_json(self.stage) | {"task": task, "run": self.name},
                self.job.code,
                texts,
                inputs,
                self.job.request,
            ),
            Cost(
                diary.started,
                diary.seconds,
                diary.processor_seconds,
                self.trainer.total,
                diary.tokens,
                self.job.world.size,
            ),
            str(self.job.device),
            {
                "best": evaluation.metrics,
                "evaluations": len(diary.evaluations),
                "weights": weights_digest(weights),
            },
        )


@tells_memory
def train_tasks(stage: Stage, job: Job) -> None:
    """Make all runs of a task stage and publish them together.

    Finished runs wait in the scratch folder, so that a job that is killed repeats none of them. After a
    search a task's own name leads to its best run: from that one others learn.
    """
    waiting = scratch_folder(stage, job)
    with progress_of(stage, job) as progress:
        for task, names in runs_by_task(stage).items():
            left = job.world.agree([name for name in names if not (waiting / "done" / name).exists()])
            if left:
                _train(stage, left, Classroom(stage, task, job), job, progress, waiting)
    if job.world.first:
        _publish(stage, job, waiting)


def _publish(stage: Stage, job: Job, waiting: Path) -> None:
    """Put the finished runs in their place, all at once."""
    metrics = {name: read_json(waiting / "done" / name / "metrics.json") for name in stage.runs}
    with publishing(job.layout.kept(waiting), job.layout.stage(stage), "metrics.json") as folder:
        for name in stage.runs:
            link_tree(waiting / "done" / name, folder / "tasks" / name)
        for task, name in own_best(stage, metrics).items():
            if name != task:
                (folder / "tasks" / task).symlink_to(name, target_is_directory=True)
        write_json(folder / SEAL, {"metrics.json": json_digest(metrics)})
        write_json(folder / "metrics.json", metrics)
    remove_folder(waiting)


def _train(
    stage: Stage, names: list[str], room: Classroom, job: Job, progress: Progress, waiting: Path
) -> None:
    """Runs on one task, one after the other, each into the folder of its name below ``waiting/done``."""
    for name in names:
        training = TaskTraining(stage, name, room, job, progress)
        scratch = job.world.scratch(waiting / name)
        training.run(scratch)
        training.publish(waiting / "done" / name)
        scratch.remove()


def evaluation_steps(batches: TaskBatches, settings: TaskRun) -> frozenset[int]:
    """After which updates dev is evaluated, besides before the first."""
    if settings.evaluations == "per_epoch":
        return frozenset(range(batches.per_epoch, batches.total + 1, batches.per_epoch))
    return frozenset(batches.total * k // settings.evaluations for k in range(1, settings.evaluations + 1))
