"""Pretraining stages: a teacher or student by itself, or a student distilled on the corpus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import Tensor

from retort.distill.binding import BoundObjective
from retort.files import SEAL, atomic_folder, seal
from retort.models.checkpoint import WEIGHTS, save_tensors
from retort.models.features import Family
from retort.runcard import Origin, Stopwatch, write_card
from retort.runs import Pretraining
from retort.stages import Stage, to_json
from retort.training.diary import Diary, due_of
from retort.training.finished import publishing
from retort.training.loop import StepReport, Trainer, run
from retort.training.memory import tells_memory
from retort.training.probes import PROBE_ROWS, Probe, shapes_compare
from retort.training.setup import (
    Job,
    alike,
    autocast_dtype,
    kept_words,
    load_teachers,
    model_folder,
    progress_of,
    scratch_folder,
    starting_family,
    weights_digest,
    write_log,
)
from retort.training.streams import PretrainingStream

LOG_LINES = 100
"""Loss records per run."""


@tells_memory
def pretrain(stage: Stage, job: Job) -> None:
    """Run a pretraining stage and publish its model, logs and run card."""
    assert isinstance(stage.schooling, Pretraining)
    schooling = stage.schooling
    student, teachers = alike(stage, job, starting_family(stage, job, None), load_teachers(stage, job, None))
    trainer = _trainer(stage, schooling, student, teachers, job)
    stream = training_stream(stage, schooling, job)
    home = scratch_folder(stage, job)
    scratch = job.world.scratch(home)
    diary, watch = Diary(), Stopwatch()
    resumed = scratch.load(job.device)
    if resumed is not None:
        trainer.restore(resumed[1])
        diary = Diary(**resumed[1]["extra"])
    probe = _probe(stage, schooling, student, teachers, stream, job)

    with progress_of(stage, job) as progress:
        progress.begin("pretraining", schooling.steps, trainer.step)

        def after(report: StepReport) -> None:
            diary.count(report)
            progress.update(report.step, report.tokens, report.loss)
            if due_of(report.step, schooling.steps, LOG_LINES):
                diary.note(report)
            diary.measure(probe, student, report, schooling.steps)
            diary.lap(watch)

        def batches(step: int) -> list[Any]:
            return [batch.to(job.device) for batch in stream(step)]

        run(trainer, batches, after, scratch, extra=lambda: vars(diary))
    weights = job.world.whole(trainer.student.module.state_dict())
    if job.world.first:
        with publishing(job.layout.kept(home), job.layout.stage(stage), WEIGHTS) as folder:
            _write(folder, stage, job, trainer, diary, weights)
    scratch.remove()


def _trainer(
    stage: Stage, schooling: Pretraining, student: Family, teachers: list[Family], job: Job
) -> Trainer:
    shapes = [teacher.shape for teacher in teachers]
    kept = kept_words(stage, job)
    objective = BoundObjective(stage.objective, student.shape, shapes, kept).to(job.device)
    return Trainer(
        student,
        teachers,
        objective,
        schooling.optimiser,
        schooling.steps,
        stage.seed,
        autocast_dtype(stage.precision),
        job.world,
    )


def _probe(
    stage: Stage,
    schooling: Pretraining,
    student: Family,
    teachers: list[Family],
    stream: PretrainingStream[Any],
    job: Job,
) -> Probe | None:
    """What lays the student beside its teacher, if there is one whose layers compare."""
    view = schooling.corpus.view
    if len(teachers) != 1 or not shapes_compare(student.shape, teachers[0].shape, view):
        return None
    rows = min(PROBE_ROWS, schooling.micro_batch_size)
    batch = stream.unseen(schooling.steps, rows).to(job.device)
    return Probe(student, teachers[0], batch, kept_words(stage, job), view)


def import_teacher(stage: Stage, job: Job) -> None:
    """Take a checkpoint folder as the result of a stage.

    Raises:
        InputError: the checkpoint does not fit the stage's architecture or vocabulary.
    """
    assert stage.imported is not None
    builder = stage.architecture.builder()
    started = time.time()
    model = builder.import_folder(Path(stage.imported), job.layout.text(stage.data))
    with atomic_folder(job.layout.stage(stage)) as folder:
        builder.save(folder, model, model.state_dict())
        write_log(folder / "log.jsonl", [])
        write_log(folder / "distances.jsonl", [])
        seal(folder)
        _card(folder, stage, job, Diary(started=started), 0, model.state_dict())


def training_stream(stage: Stage, schooling: Pretraining, job: Job) -> PretrainingStream[Any]:
    """The batches of a pretraining stage."""
    return PretrainingStream(
        schooling.corpus.source(job.layout.text(stage.data), stage.seed),
        schooling.batch_size,
        schooling.micro_batch_size,
        stage.seed,
        job.world,
        stage.objective.together,
    )


def _write(
    folder: Path, stage: Stage, job: Job, trainer: Trainer, diary: Diary, weights: dict[str, Tensor]
) -> None:
    """Write all results of the stage; ``weights``: the student's, whole."""
    write_log(folder / "log.jsonl", diary.log)
    write_log(folder / "distances.jsonl", diary.distances)
    lenses = trainer.objective.state_dict()
    if lenses:
        save_tensors(folder / "lenses.safetensors", lenses)
    stage.architecture.builder().save(folder, trainer.student.module, weights)
    seal(folder)
    _card(folder, stage, job, diary, trainer.total, weights)


def _card(folder: Path, stage: Stage, job: Job, diary: Diary, steps: int, weights: dict[str, Tensor]) -> None:
    text = job.layout.text(stage.data)
    # Bytes that are the same wherever the raw data lie, as those of the summary are not.
    inputs = [text / "tokenizer.json", *sorted((text / "corpus").rglob(SEAL))]
    inputs += [model_folder(parent, job.layout, None) / WEIGHTS for parent in stage.ancestors()]
    write_card(
        folder / "card.json",
        Origin(to_json(stage), job.code, (text,), inputs, job.request),
        diary.cost(steps, job.world.size),
        str(job.device),
        {"last_loss": diary.log[-1]["loss"] if diary.log else None, "weights": weights_digest(weights)},
    )
