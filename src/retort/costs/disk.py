"""Bytes that a plan writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from retort.costs.flops import output_width, parameters
from retort.costs.sizes import Sizes
from retort.costs.stage_work import once_a_task
from retort.costs.text_flops import parameters as text_parameters
from retort.models.hf.architecture import TextArchitecture
from retort.runs import TaskRun
from retort.stages import Stage

_FLOAT = 4
_KEPT_STATES = 3
"""Training states of a run on disk at once: two are kept, one is being written."""

_BYTES_OF_AN_ID = 7
"""Of a written response."""

_RAW_BYTES_PER_TOKEN = 4.3
"""Of English text in BERT word pieces, or of the generated world."""


@dataclass(frozen=True)
class Disk:
    """Bytes by purpose.

    Attributes:
        weights: trained models, float32, one a stage and task.
        signals: of fine-tuned teachers: final hidden states of all training examples.
        scratch: training states at the peak.
        text: raw and encoded corpus.
    """

    weights: float
    signals: float
    scratch: float
    text: float

    @property
    def all(self) -> float:
        """Their sum."""
        return self.weights + self.signals + self.scratch + self.text


def model_bytes(stage: Stage, sizes: Sizes) -> float:
    """One set of a stage's weights."""
    model = stage.architecture
    if isinstance(model, TextArchitecture):
        return float(_FLOAT * text_parameters(model, sizes.text_rows(stage)))
    return float(_FLOAT * parameters(model, sizes.compressed(stage.compression)))


def state_bytes(stage: Stage, sizes: Sizes) -> float:
    """One training state: weights and two moments, on tasks the best weights so far too."""
    return model_bytes(stage, sizes) * (4 if stage.phase == "task" else 3)


def signals_bytes(teacher: Stage, sizes: Sizes) -> float:
    """Stored signals of a fine-tuned teacher: hidden states and a word table a task, or texts."""
    return sum(signals_file(teacher, run, sizes) for run in once_a_task(teacher).values())


def signals_file(teacher: Stage, run: TaskRun, sizes: Sizes) -> float:
    """Stored signals of one task."""
    if isinstance(teacher.architecture, TextArchitecture):  # responses as JSON; nobody loads more
        return _BYTES_OF_AN_ID * sizes.text(run).train * sizes.text(run).target.longest
    task = sizes.tasks[run.task]
    tokens = task.train * task.train_rows * min(task.length, run.length)
    return _FLOAT * output_width(teacher.architecture) * (tokens + sizes.rows)


def disk(stages: Iterable[Stage], teachers: Iterable[Stage], sizes: Sizes, devices: int) -> Disk:
    """All of a plan's bytes; ``teachers``: those whose signals are stored; ``devices``: jobs at a time."""
    stages = list(stages)
    trained = [stage for stage in stages if stage.schooling is not None]
    states = sorted((state_bytes(stage, sizes) for stage in trained), reverse=True)
    return Disk(
        weights=sum(model_bytes(stage, sizes) * max(1, len(stage.runs)) for stage in stages),
        signals=sum(signals_bytes(teacher, sizes) for teacher in teachers),
        scratch=_KEPT_STATES * sum(states[:devices]),
        text=sizes.all_tokens * (_FLOAT + _RAW_BYTES_PER_TOKEN),
    )
