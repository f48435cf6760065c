"""What every training job does first: process settings, models from stages, the text they read."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retort.devices import claim, visible
from retort.distill.vocabulary import VocabularyMap
from retort.errors import InputError
from retort.files import SEAL, digest_of, recorded_hash, write_lines
from retort.layout import Layout
from retort.models.checkpoint import WEIGHTS
from retort.models.features import Family, Shape
from retort.models.truncation import slice_words
from retort.progress import Progress
from retort.runcard import Request
from retort.stages import SlicedCompression, Stage, task_of
from retort.training.distribution import ALONE, World


@dataclass(frozen=True)
class Job:
    """How a stage is run here; nothing of it changes the result's identity.

    Attributes:
        layout: where to read and write.
        code: fingerprint of the code the stage needs.
        device: where tensors live.
        request: what this process was asked, for the run card.
        world: the processes that run it together.
    """

    layout: Layout
    code: str
    device: torch.device
    request: Request
    world: World = ALONE


def prepare_process(threads: int) -> None:
    """Settings of every training process.

    Denormal numbers slow a CPU training step down tenfold once small models converge; one
    thread per job is fastest when jobs run side by side.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def choose_device(name: str, jobs_per_gpu: int = 1, processes: int = 1) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` as a device; a GPU is this process's own from then on.

    Jobs beside this one take others, or as many share one as ``jobs_per_gpu`` says; where all are taken,
    this waits. Of several ``processes`` of one job each takes one.

    Raises:
        InputError: a GPU is asked for where there is none, or more of them than there are.
    """
    if name == "cpu":
        return torch.device("cpu")
    found = visible() if torch.backends.cuda.is_built() else ()
    if 0 < len(found) < processes:
        raise InputError(
            f"this job is {processes} processes with a GPU each, {len(found)} can be used here: give it more "
            "(CUDA_VISIBLE_DEVICES), or set models.*.devices to fewer"
        )
    # Before the first question to CUDA: it reads only once which devices it may see.
    claimed = claim(found, 1, jobs_per_gpu) if found else None
    if torch.cuda.is_available():
        if claimed is None:
            print("no nvidia-smi tells GPUs apart: jobs side by side share the first", file=sys.stderr)
        return torch.device("cuda")
    if name == "cuda":
        raise InputError("device: cuda, but torch sees no GPU here; set device to auto or cpu")
    if claimed is not None:
        claimed.release()
    return torch.device("cpu")


def autocast_dtype(precision: str) -> torch.dtype | None:
    """The autocast dtype of a precision, ``None`` for float32."""
    return torch.bfloat16 if precision == "bfloat16" else None


def vocabulary_map(stage: Stage, job: Job) -> VocabularyMap | None:
    """The vocabulary map of a stage, on the job's device."""
    if stage.compression is None:
        return None
    return VocabularyMap.load(job.layout.vocabulary(stage)).to(job.device)


def kept_words(stage: Stage, job: Job) -> Tensor | None:
    """Word ids [M] that a student with a compressed vocabulary keeps, in the order of its rows."""
    vocabulary = vocabulary_map(stage, job)
    return None if vocabulary is None else vocabulary.kept_ids


def starting_family(stage: Stage, job: Job, run: str | None) -> Family:
    """The model a run starts from: its ``init``'s result, a part of a teacher, or random parameters by its
    seed.

    A run continues the run of the same name, so that the points of a search stay apart from stage to
    stage; it is cut from what its task's teacher became. Leaves the generator seeded either way, so that
    lenses which are drawn next depend on the stage alone.
    """
    torch.manual_seed(stage.seed)
    builder = stage.architecture.builder()
    module = job.world.place(lambda: _starting_model(stage, job, run), job.device, builder.units)
    return builder.family(module, vocabulary_map(stage, job))


def _starting_model(stage: Stage, job: Job, run: str | None) -> Any:
    builder = stage.architecture.builder()
    classes = None if run is None else stage.runs[run].classes
    if stage.init is not None:
        return builder.load(model_folder(stage.init, job.layout, run), classes)
    vocabulary = vocabulary_map(stage, job)
    model: Any = builder.new(job.layout.text(stage.data), vocabulary, classes)
    if stage.truncated is not None:
        task = None if run is None else task_of(run)
        source = stage.truncated.source
        teacher = _stored_model(source, job, task)
        builder.cut(model, teacher, stage.truncated.part)
    if isinstance(stage.compression, SlicedCompression):
        assert vocabulary is not None and stage.mapped_by is not None
        table = stage.mapped_by.architecture.builder().word_table(job.layout.stage(stage.mapped_by))
        slice_words(model, table, vocabulary)
    return model


def _stored_model(stage: Stage, job: Job, task: str | None) -> Any:
    """What a stage made, of a task stage the best model of a task."""
    name = task if stage.phase == "task" else None
    classes = None if name is None else next(r.classes for r in stage.runs.values() if r.task == name)
    return stage.architecture.builder().load(model_folder(stage, job.layout, name), classes)


def model_folder(stage: Stage, layout: Layout, run: str | None) -> Path:
    """Where the model that a stage made lies: in the task phase, that of a run, or of a task's best run."""
    if stage.phase == "task":
        assert run is not None
        return layout.task_model(stage, run)
    return layout.stage(stage)


def models_read(stage: Stage, layout: Layout, run: str | None) -> list[Path]:
    """The models that a run of a stage starts or learns from, nearest first, without repeats."""
    task = None if run is None else task_of(run)
    found = [
        model_folder(parent, layout, run if parent == stage.init else task) for parent in stage.ancestors()
    ]
    return [folder / WEIGHTS for folder in found]


def load_teachers(stage: Stage, job: Job, task: str | None) -> list[Family]:
    """The frozen teachers of a stage, in evaluation mode."""
    return [load_frozen(teacher, job, task) for teacher in stage.teachers]


def alike(stage: Stage, job: Job, student: Family, teachers: Sequence[Family]) -> tuple[Family, list[Family]]:
    """Student and teachers so that all show the same words."""
    builder = stage.architecture.builder()
    first, *others = builder.alike(student, teachers, job.layout.text(stage.data))
    return first, others


def shape_of(stage: Stage, job: Job, task: str | None) -> Shape:
    """The shape of a stage's result, from its configuration alone."""
    folder = model_folder(stage, job.layout, task if stage.phase == "task" else None)
    return stage.architecture.builder().shape(folder)


def load_frozen(stage: Stage, job: Job, task: str | None) -> Family:
    """A stage's result, frozen and in evaluation mode."""
    builder = stage.architecture.builder()
    module = job.world.place(lambda: _stored_model(stage, job, task), job.device, builder.units)
    module.requires_grad_(False)
    return builder.family(module.eval(), vocabulary_map(stage, job))


def scratch_folder(stage: Stage, job: Job) -> Path:
    """Where the training state of a stage lies: named after its code and the bytes that it reads.

    A state that was saved before an ancestor or the data changed is then never found again.
    """
    layout = job.layout
    files = [layout.text(name) / "summary.json" for name in (stage.data, *map(stage.text, stage.tasks))]
    if stage.compression is not None:
        files.append(layout.vocabulary(stage))
    files += [layout.signals(teacher) / SEAL for teacher in stage.told_by]
    for run in stage.runs or (None,):
        files += models_read(stage, layout, run)
    # What is missing is told by the step that reads it.
    read = {str(path): recorded_hash(path) for path in dict.fromkeys(files) if path.exists()}
    return layout.scratch(stage, digest_of([job.code, sorted(read.values())]))


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over all parameters and buffers by name: equal for models that are equal bit by bit."""
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def progress_of(stage: Stage, job: Job) -> Progress:
    """Reports of a stage, made by the first process for all."""
    if job.world.first:
        return Progress(stage.id, job.layout.progress)
    return Progress(stage.id, None, io.StringIO())


def write_log(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """One JSON object a line."""
    write_lines(path, [json.dumps(record, sort_keys=True) for record in records])
