"""Task stages: fine-tuning a teacher, or distilling a student on each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch

from retort.distill.binding import BoundObjective
from retort.evaluation.selection import own_best, runs_by_task
from retort.files import SEAL, atomic_folder, json_digest, read_json, remove_folder, seal, write_json
from retort.models.checkpoint import load_tensors, save_tensors
from retort.models.features import Family
from retort.progress import Progress
from retort.runcard import Origin, Stopwatch, write_card
from retort.runs import TaskRun
from retort.stages import Stage, to_json
from retort.training.checkpoints import Scratch
from retort.training.diary import Diary
from retort.training.distribution import ALONE, World, deal
from retort.training.finished import link_tree, publishing
from retort.training.lessons import Batch, Judged
from retort.training.loop import StepReport, Trainer, run
from retort.training.memory import tells_memory
from retort.training.probes import Probe
from retort.training.setup import (
    Job,
    alike,
    autocast_dtype,
    kept_words,
    load_frozen,
    model_folder,
    models_read,
    progress_of,
    scratch_folder,
    shape_of,
    starting_family,
    weights_digest,
    write_log,
)


@dataclass
class _Diary(Diary):
    """With what was found on dev, evaluation by evaluation."""

    evaluations: list[dict[str, Any]] = field(default_factory=list)


class TaskBatches:
    """Batches of a task run: another seeded order each epoch, the last batch may be smaller.

    Of several processes each gets its micro-batches (see :func:`deal`).

    Args:
        examples: to train on.
        collate: makes a batch of some of them.
        settings: sizes and length of the run.
        seed: decides the orders.
        world: the processes; ``together``: see :func:`deal`.
        taught: what an update learns on instead of its examples; ``None``: those.
    """

    def __init__(
        self,
        examples: Sequence[Any],
        collate: Callable[[Sequence[Any]], Batch],
        settings: TaskRun,
        seed: int,
        world: World = ALONE,
        together: bool = False,
        taught: Callable[[Sequence[Any], int], Sequence[Any]] | None = None,
    ) -> None:
        self._taught = taught
        self._world = world
        self._together = together
        self._examples = examples
        self._collate = collate
        self._settings = settings
        self._seed = seed
        self.per_epoch = -(-len(examples) // settings.batch_size)
        self.total = settings.epochs * self.per_epoch
        self._order: tuple[int, list[int]] = (-1, [])

    def epoch(self, step: int) -> int:
        """Finished passes over the data after ``step`` updates."""
        return step // self.per_epoch

    def __call__(self, step: int) -> list[Any]:
        """Micro-batches of the update after ``step`` finished ones."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            order = list(range(len(self._examples)))
            Random(f"{self._seed}/{self._settings.task}/{epoch}").shuffle(order)
            self._order = (epoch, order)
        size = self._settings.batch_size
        chosen = self._order[1][place * size : (place + 1) * size]
        examples: Sequence[Any] = [self._examples[i] for i in chosen]
        batch = self._collate(examples if self._taught is None else self._taught(examples, step))
        return deal(batch, self._settings.micro_batch_size or size, self._world, self._together)


class Classroom:
    """What all runs of a stage on a task share, read once: examples and frozen teachers.

    Attributes:
        lesson: of the stage's first run on the task; its other runs differ in batch size and rate alone.
    """

    def __init__(self, stage: Stage, task: str, job: Job) -> None:
        self.run = next(run for run in stage.runs.values() if run.task == task)
        layout = job.layout
        self.lesson = self.run.lesson(layout.text(stage.data), layout.text(self.run.text))
        self.shapes = [shape_of(teacher, job, task) for teacher in stage.teachers]
        self._stage, self._task, self._job = stage, task, job
        self._teachers: dict[int, Family] = {}

    def teachers(self, objective: BoundObjective) -> list[Family]:
        """Each teacher, or its stored signals where they hold all that the objective reads."""
        return [self._teacher(number, objective) for number in range(len(self.shapes))]

    def _teacher(self, number: int, objective: BoundObjective) -> Family:
        if number not in self._teachers:
            source, job = self._stage.teachers[number], self._job
            recall = self.lesson.recall if source.phase == "task" else None
            if recall is None or not objective.cacheable(number, recall.sites):
                self._teachers[number] = load_frozen(source, job, self._task)
            else:
                folder, shape = job.layout.signals(source), self.shapes[number]
                self._teachers[number] = recall.open(folder, shape, job.device)
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
        lesson, together = room.lesson, stage.objective.together
        self.batches = TaskBatches(
            lesson.train, lesson.collate, settings, stage.seed, job.world, together, self._taught
        )
        self.student = starting_family(stage, job, name)
        self.trainer = self._trainer()
        self.diary, self.watch = _Diary(), Stopwatch()
        self.best: tuple[dict[str, torch.Tensor], Judged] | None = None
        self.probe = self._probe()

    def _probe(self) -> Probe | None:
        """What lays the student beside its teacher, where there is one and the task says how."""
        probed, teachers = self.room.lesson.probed(), self.trainer.teachers
        if probed is None or len(teachers) != 1:
            return None
        view, batch = probed
        kept = kept_words(self.stage, self.job)
        return Probe(self.student, teachers[0], batch.to(self.job.device), kept, view)

    def _taught(self, examples: Sequence[Any], step: int) -> Sequence[Any]:
        signals = [self.job.layout.signals(teacher) for teacher in self.stage.teachers]
        return self.room.lesson.taught(examples, step, self.student, signals, self.stage.seed)

    def _trainer(self) -> Trainer:
        stage, job, shapes = self.stage, self.job, self.room.shapes
        kept = kept_words(stage, job)
        objective = BoundObjective(stage.objective, self.student.shape, shapes, kept).to(job.device)
        if stage.carry_lenses:
            assert stage.init is not None
            folder = model_folder(stage.init, job.layout, self.name)
            objective.load_state_dict(load_tensors(folder / "lenses.safetensors"))
        self.student, teachers = alike(stage, job, self.student, self.room.teachers(objective))
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
            self.diary.count(report)
            self.progress.update(report.step, report.tokens, report.loss)
            if report.step % self.batches.per_epoch == 0 or report.step == self.batches.total:
                self.diary.note(report)
            self.diary.measure(self.probe, self.student, report, self.batches.total)
            if report.step in due:
                self._evaluate(report.step)
            self.diary.lap(self.watch)

        def batches(step: int) -> list[Any]:
            return [batch.to(self.job.device) for batch in self.batches(step)]

        run(self.trainer, batches, after, scratch, self.batches.epoch, self._extra)

    def _evaluate(self, step: int) -> None:
        """Evaluate on dev; keep the parameters if no earlier evaluation was as good."""
        found = self._measure()
        record = {"step": step, "all": found.metrics, "select": found.select, "report": found.report}
        self.diary.evaluations.append(record | ({"losses": found.losses} if found.losses else {}))
        scores = [self.settings.scoring.selection(e["all"]) for e in self.diary.evaluations]
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

    def _measure(self) -> Judged:
        return self.room.lesson.judge(self.student, self.trainer.teachers, self.job.device, self.job.world)

    def publish(self, folder: Path) -> None:
        """Write the best model, its predictions, the logs and a run card to ``folder``."""
        assert self.best is not None
        weights, evaluation = self.best
        self.student.module.load_state_dict(weights)
        whole = self.job.world.whole(weights)
        if not self.job.world.first:
            return
        with atomic_folder(folder) as temporary:
            self.stage.architecture.builder().save(temporary, self.student.module, whole)
            lenses = self.trainer.objective.state_dict()
            if lenses:
                save_tensors(temporary / "lenses.safetensors", lenses)
            evaluation.write(temporary / "predictions.jsonl")
            write_log(temporary / "log.jsonl", self.diary.log)
            if self.probe is not None:
                write_log(temporary / "distances.jsonl", self.diary.distances)
            write_json(temporary / "metrics.json", {"evaluations": self.diary.evaluations})
            seal(temporary)
            self._card(temporary / "card.json", evaluation, whole)

    def _card(self, path: Path, evaluation: Judged, weights: dict[str, torch.Tensor]) -> None:
        layout, task, diary = self.job.layout, self.settings.task, self.diary
        texts = (layout.text(self.stage.data), layout.text(self.settings.text))
        inputs = [texts[0] / "tokenizer.json", *self.room.lesson.files]
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
            diary.cost(self.trainer.total, self.job.world.size),
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
