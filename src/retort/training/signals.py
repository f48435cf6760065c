"""Storing what students read of a fine-tuned teacher, once for all of them."""

from __future__ import annotations

from importlib import import_module

from retort.files import atomic_folder, seal
from retort.stages import Stage
from retort.training.memory import tells_memory
from retort.training.setup import Job, load_frozen


@tells_memory
def store_signals(teacher: Stage, job: Job) -> None:
    """Write what students read of a fine-tuned teacher, for the training examples of all its tasks.

    How is said by :attr:`retort.runs.TaskRun.store`; of a task whose runs have none nothing is stored.
    """
    layout = job.layout
    with atomic_folder(layout.signals(teacher)) as temporary:
        for task in teacher.tasks:
            run = next(run for run in teacher.runs.values() if run.task == task)
            if run.store is not None:
                module, _, name = run.store.partition(":")
                lesson = run.lesson(layout.text(teacher.data), layout.text(run.text))
                _ = lesson.train  # examples that are damaged are told before a model is loaded
                store = getattr(import_module(module), name)
                store(task, lesson, temporary, load_frozen(teacher, job, task), job.device)
        seal(temporary)
