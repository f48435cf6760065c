"""Pretraining stages: a teacher or student by itself, or a student distilled on the corpus."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from retort.data.blocklm import GLM_SPANS, POCKET_MIXTURE, BlockMasker
from retort.data.corpus import EncodedCorpus
from retort.data.samples import DocumentSamples, MaskedSamples, WindowSamples
from retort.data.tokenizer import Tokenizer
from retort.distill.binding import BoundObjective
from retort.files import SEAL, atomic_folder, seal
from retort.models.checkpoint import WEIGHTS, import_glm, save_glm, save_tensors
from retort.models.glm_family import GLMFamily
from retort.runcard import Cost, Origin, Stopwatch, write_card
from retort.stages import Pretraining, Stage, to_json
from retort.training.finished import publishing
from retort.training.loop import StepReport, Trainer, run
from retort.training.memory import tells_memory
from retort.training.probes import PROBE_ROWS, PROBES, Probe, shapes_compare
from retort.training.setup import (
    Job,
    autocast_dtype,
    glm_config,
    load_teachers,
    load_tokenizer,
    model_folder,
    progress_of,
    scratch_folder,
    starting_model,
    vocabulary_map,
    vocabulary_rows,
    weights_digest,
    write_log,
)
from retort.training.streams import PretrainingStream

LOG_LINES = 100
"""Loss records per run."""


@dataclass
class _Diary:
    """What is remembered of a run besides the trainer's state; survives a restart."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.time)
    log: list[dict[str, Any]] = field(default_factory=list)
    distances: list[dict[str, Any]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    """Losses since distances were measured last."""


@tells_memory
def pretrain(stage: Stage, job: Job) -> None:
    """Run a pretraining stage and publish its model, logs and run card."""
    assert isinstance(stage.schooling, Pretraining)
    schooling = stage.schooling
    tokenizer = load_tokenizer(stage, job.layout)
    student = GLMFamily(starting_model(stage, job, None), vocabulary_map(stage, job))
    teachers = load_teachers(stage, job, None)
    kept = None if student.vocabulary is None else student.vocabulary.kept_ids
    shapes = [teacher.shape for teacher in teachers]
    objective = BoundObjective(stage.objective, student.shape, shapes, kept).to(job.device)
    trainer = Trainer(
        student,
        teachers,
        objective,
        schooling.optimiser,
        schooling.steps,
        stage.seed,
        autocast_dtype(stage.precision),
        job.world,
    )
    stream = training_stream(stage, schooling, tokenizer, job)
    home = scratch_folder(stage, job)
    scratch = job.world.scratch(home)
    diary, watch = _Diary(), Stopwatch()
    resumed = scratch.load(job.device)
    if resumed is not None:
        trainer.restore(resumed[1])
        diary = _Diary(**resumed[1]["extra"])
    probe = None
    if len(teachers) == 1 and shapes_compare(student.shape, teachers[0].shape):
        rows = min(PROBE_ROWS, schooling.micro_batch_size)
        probe = Probe(student, teachers[0], stream.unseen(schooling.steps, rows).to(job.device), kept)

    with progress_of(stage, job) as progress:
        progress.begin("pretraining", schooling.steps, trainer.step)

        def after(report: StepReport) -> None:
            diary.seconds += report.seconds
            diary.tokens += report.tokens
            progress.update(report.step, report.tokens, report.loss)
            if _every(report.step, schooling.steps, LOG_LINES):
                diary.log.append({"step": report.step, "loss": report.loss, "parts": report.parts})
            diary.recent.append(report.loss)
            if probe is not None and _every(report.step, schooling.steps, PROBES):
                # A single batch's loss says how hard the batch was; the mean says how the training stands.
                loss = statistics.fmean(diary.recent)
                diary.distances.append({"step": report.step, "loss": loss} | probe.measure(student))
                diary.recent.clear()
            diary.processor_seconds += watch.lap()

        def batches(step: int) -> list[Any]:
            return [batch.to(job.device) for batch in stream(step)]

        run(trainer, batches, after, scratch, extra=lambda: vars(diary))
    weights = job.world.whole(trainer.student.module.state_dict())
    if job.world.first:
        with publishing(job.layout.kept(home), job.layout.stage(stage), WEIGHTS) as folder:
            _write(folder, stage, job, trainer, diary, weights)
    scratch.remove()


def import_teacher(stage: Stage, job: Job) -> None:
    """Take a checkpoint folder as the result of a stage.

    Raises:
        InputError: the checkpoint does not fit the stage's architecture or vocabulary.
    """
    assert stage.imported is not None
    config = glm_config(stage.architecture, vocabulary_rows(job.layout.text(stage.data)))
    started = time.time()
    model = import_glm(Path(stage.imported), config)
    with atomic_folder(job.layout.stage(stage)) as folder:
        save_glm(folder, model)
        write_log(folder / "log.jsonl", [])
        write_log(folder / "distances.jsonl", [])
        seal(folder)
        _card(folder, stage, job, _Diary(started=started), 0, model.state_dict())


def _every(step: int, steps: int, times: int) -> bool:
    """Whether ``step`` is one of about ``times`` evenly spaced steps, the last one included."""
    return step * times // steps != (step - 1) * times // steps


def training_stream(
    stage: Stage, schooling: Pretraining, tokenizer: Tokenizer, job: Job
) -> PretrainingStream:
    """The batches of a pretraining stage."""
    settings = schooling.corpus
    corpus = EncodedCorpus.open(job.layout.text(stage.data) / "corpus")
    kind = DocumentSamples if settings.samples == "documents" else WindowSamples
    samples = kind(corpus, tokenizer, settings.max_length, stage.seed)
    masker = BlockMasker(GLM_SPANS if settings.masking == "paper" else POCKET_MIXTURE, tokenizer)
    return PretrainingStream(
        MaskedSamples(samples, masker),
        schooling.batch_size,
        schooling.micro_batch_size,
        stage.seed,
        job.world,
        stage.objective.together,
    )


def _write(
    folder: Path, stage: Stage, job: Job, trainer: Trainer, diary: _Diary, weights: dict[str, Tensor]
) -> None:
    """Write all results of the stage; ``weights``: the student's, whole."""
    assert isinstance(trainer.student, GLMFamily)
    write_log(folder / "log.jsonl", diary.log)
    write_log(folder / "distances.jsonl", diary.distances)
    lenses = trainer.objective.state_dict()
    if lenses:
        save_tensors(folder / "lenses.safetensors", lenses)
    save_glm(folder, trainer.student.module, weights)
    seal(folder)
    _card(folder, stage, job, diary, trainer.total, weights)


def _card(
    folder: Path, stage: Stage, job: Job, diary: _Diary, steps: int, weights: dict[str, Tensor]
) -> None:
    text = job.layout.text(stage.data)
    # Bytes that are the same wherever the raw data lie, as those of the summary are not.
    inputs = [text / "tokenizer.json", text / "corpus" / SEAL]
    inputs += [model_folder(parent, job.layout, None) / WEIGHTS for parent in stage.ancestors()]
    write_card(
        folder / "card.json",
        Origin(to_json(stage), job.code, (text,), inputs, job.request),
        Cost(diary.started, diary.seconds, diary.processor_seconds, steps, diary.tokens, job.world.size),
        str(job.device),
        {"last_loss": diary.log[-1]["loss"] if diary.log else None, "weights": weights_digest(weights)},
    )
