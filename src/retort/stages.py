"""Stages: the units of training, as frozen values.

A stage says everything that its result depends on besides code: what is trained, from what,
towards what, on what, how and with which seed. Equal stages are one artefact, whoever asks.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from retort.distill.objective import Objective, Phase
from retort.files import digest_of

if TYPE_CHECKING:
    # Fingerprints follow the values that a stage holds, not these: one kind is no other's code.
    from retort.models.glm_architecture import Architecture, Leading
    from retort.models.hf.architecture import Slices, TextArchitecture
    from retort.runs import Pretraining, TaskRun

_AT = "@"
"""Between task and point in the name of a run; no task has it."""


@dataclass(frozen=True)
class Compression:
    """Vocabulary compression: keep ``ratio`` of the words, map the rest to the most similar kept word."""

    ratio: float = 0.5
    similarity: Literal["inner_product", "cosine", "euclidean", "unk"] = "inner_product"
    reserved_targets: bool = True
    multiple_of: int = 128


@dataclass(frozen=True)
class SlicedCompression(Compression):
    """The same, started from the kept rows of ``mapped_by``'s embedding (quirk ``unmapped-embedding``)."""


@dataclass(frozen=True)
class Truncation:
    """Start from a part of a teacher.

    Attributes:
        source: the stage that made the teacher.
        part: which.
    """

    source: Stage
    part: Leading | Slices


@dataclass(frozen=True)
class Stage:
    """One training run (for tasks: one run per task, or one per task and point of a search, in one job).

    Attributes:
        phase: ``pretraining`` or ``task``.
        architecture: of the model that is trained.
        objective: what is minimised.
        init: the stage whose result it starts from; ``None``: random initialisation.
        truncated: start from a part of a teacher instead.
        teachers: the stages that made the teachers, nearest or smallest first.
        compression: vocabulary compression of the student, built from ``mapped_by``.
        mapped_by: pretrained teacher whose word embeddings decide the vocabulary map.
        data: name of the encoded corpus, with its vocabulary (see :attr:`retort.plan.Plan.text`).
        schooling: how long and on what batches: one run, or those on the tasks, task by task; several
            of a task are the points of a search.
        seed: of initialisation, data order and dropout.
        carry_lenses: also start from the lens parameters of ``init``.
        imported: folder of a checkpoint that is taken as the result, instead of training.
    """

    phase: Phase
    architecture: Architecture | TextArchitecture
    objective: Objective
    schooling: Pretraining | tuple[TaskRun, ...] | None
    data: str
    seed: int
    init: Stage | None = None
    truncated: Truncation | None = None
    teachers: tuple[Stage, ...] = ()
    compression: Compression | None = None
    mapped_by: Stage | None = None
    carry_lenses: bool = False
    imported: str | None = None
    precision: str = "float32"

    @cached_property
    def id(self) -> str:
        """Name of the stage's folder: readable, ending in a digest of everything above."""
        terms = "+".join(dict.fromkeys(term.site for term in self.objective.terms)) or "import"
        kind = "pre" if self.phase == "pretraining" else "task"
        return f"{self.architecture.name}.{kind}.{terms}.s{self.seed}.{self.digest}"

    @cached_property
    def digest(self) -> str:
        """Digest of the stage and, through their digests, of its ancestors."""
        return digest_of(to_json(self))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks trained in this job, none in pretraining."""
        return tuple(dict.fromkeys(run.task for run in self.runs.values()))

    @cached_property
    def runs(self) -> dict[str, TaskRun]:
        """The runs on tasks by name, in order; a run's folder bears its name.

        The name is the task; where that has several runs, batch size and peak rate follow: ``RTE@16-1e-05``.
        """
        runs = self.schooling if isinstance(self.schooling, tuple) else ()
        times = Counter(run.task for run in runs)
        return {run.task if times[run.task] == 1 else _point(run): run for run in runs}

    def text(self, task: str) -> str:
        """Name of the encoded examples of one of its tasks."""
        return next(run.text for run in self.runs.values() if run.task == task)

    @property
    def told_by(self) -> list[Stage]:
        """The fine-tuned teachers of which it reads what was stored."""
        if not any(run.reads_signals for run in self.runs.values()):
            return []
        return [teacher for teacher in self.teachers if teacher.phase == "task"]

    def ancestors(self) -> list[Stage]:
        """Stages whose results are read, nearest first, without repeats."""
        source = None if self.truncated is None else self.truncated.source
        found = [stage for stage in (self.init, source, *self.teachers, self.mapped_by) if stage is not None]
        return list({stage.id: stage for stage in found}.values())


def _point(run: TaskRun) -> str:
    return point_name(run.task, run.batch_size, run.optimiser.learning_rate)


def point_name(task: str, batch_size: int, learning_rate: float) -> str:
    """Name of a task's run at one point of a search."""
    return f"{task}{_AT}{batch_size}-{learning_rate}"


def task_of(run: str) -> str:
    """The task of a run's name: ``RTE`` of ``RTE`` as of ``RTE@16-1e-05``."""
    return run.partition(_AT)[0]


def value_types(value: Any) -> Iterator[str]:
    """``module:class`` of every value inside a value such as an objective: the code that interprets it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__module__}:{type(value).__qualname__}"
        for entry in dataclasses.fields(value):
            yield from value_types(getattr(value, entry.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from value_types(item)


_UNIDENTIFYING = {"Architecture": {"name"}, "TextArchitecture": {"name"}}


def _kind(kind: type) -> str:
    """Name of a class; one from a user's own file carries the file's, so that it is never taken for ours."""
    ours = kind.__module__.partition(".")[0] == "retort"
    return kind.__name__ if ours else f"{kind.__module__}:{kind.__qualname__}"


def to_json(value: Any) -> Any:
    """Canonical plain data of a stage or any value inside one; nested stages become their ids."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = _kind(type(value))
        hidden = _UNIDENTIFYING.get(kind, set())
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in hidden}
        return {"is": kind} | {
            name: inner.digest if isinstance(inner, Stage) else to_json(inner)
            for name, inner in fields.items()
        }
    if isinstance(value, tuple | list):
        return [item.digest if isinstance(item, Stage) else to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a stage cannot hold a {type(value).__name__}")
