"""Out of memory: which stage, and what in the configuration makes it smaller."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from retort.errors import RetortError
from retort.runs import Pretraining
from retort.stages import Stage
from retort.tracks import TEACHER_SEED
from retort.training.setup import Job

_SAID = ("DefaultCPUAllocator:", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")
"""What errors of torch say that have no class of their own."""


def tells_memory(work: Callable[[Stage, Job], None]) -> Callable[[Stage, Job], None]:
    """Make a stage's work end with one line where memory does not suffice."""

    @functools.wraps(work)
    def told(stage: Stage, job: Job) -> None:
        try:
            work(stage, job)
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            raise RetortError(
                f"{stage.id}: out of memory on {job.device} ({_first_sentences(error)}); "
                f"lower {' or '.join(smaller(stage))}, or take a device with more memory; "
                "the last saved state is kept, nothing was published"
            ) from error

    return told


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there was no memory, of the GPU, of torch on the CPU or of Python."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)


def smaller(stage: Stage) -> list[str]:
    """The configuration's keys that decide how much memory a stage takes, with their present values."""
    schooling = stage.schooling
    if isinstance(schooling, Pretraining):
        # A stage does not say whose it is; only teachers are trained by themselves with their seed.
        teacher = stage.seed == TEACHER_SEED and not stage.teachers
        key = f"pretraining.{'teacher' if teacher else 'student'}.micro_batch_size"
        return [
            f"{key} (now {schooling.micro_batch_size})",
            f"pretraining.max_length (now {schooling.corpus.length})",
        ]
    runs = stage.runs.values()
    micro = [run.micro_batch_size for run in runs if run.micro_batch_size is not None]
    size = max((run.batch_size for run in runs), default=0)
    longest = {run.task: run.length for run in runs}
    now = f"now {max(micro)}" if micro else f"now null: whole batches of up to {size}"
    return [
        f"task_training.micro_batch_size ({now})",
        *(f"task_training.max_length.{task} (now {length})" for task, length in longest.items()),
    ]


def _first_sentences(error: BaseException) -> str:
    """Of torch's paragraph what was asked for, without the advice for programmers."""
    text = " ".join(str(error).split()) or type(error).__name__
    for word in _SAID[:2]:
        text = text[max(0, text.find(word)) :]
    return ". ".join(text.split(". ")[:2]).rstrip(".")
