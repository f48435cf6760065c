"""How long, on what batches and at which rates each stage is trained: configured values as frozen ones."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

from retort.config.loading import REPOSITORY
from retort.config.model import Config
from retort.errors import InputError
from retort.stages import Corpus, Muon, Optimiser, Pretraining, TaskRun

Role = Literal["teacher", "student"]


class Schooling:
    """The training settings of a configuration.

    Args:
        config: a complete configuration.
        texts: name of each task's encoded examples.

    Attributes:
        rates: batch size and learning rate of single table rows, by (method, pair, task).

    Raises:
        InputError: the configured table of hyper-parameters is missing or malformed.
    """

    def __init__(self, config: Config, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._pretraining = config.pretraining
        self._tasks = config.task_training
        name = config.task_training.hyper_parameters
        self.rates = {} if name is None else _hyper_parameters(name)

    def pretraining(self, role: Role, batch_share: float = 1.0) -> Pretraining:
        """A pretraining run of teachers or students, with a share of the batch."""
        settings = self._pretraining
        run = settings.teacher if role == "teacher" else settings.student
        corpus = Corpus(settings.samples, settings.max_length, settings.masking)
        values = run.optimiser.model_dump()
        muon = values.pop("muon")
        optimiser = Optimiser(
            **values | {"betas": tuple(values["betas"]), "muon": None if muon is None else Muon(**muon)}
        )
        batch = max(1, round(run.batch_size * batch_share))
        return Pretraining(optimiser, corpus, run.steps, batch, math.gcd(batch, run.micro_batch_size))

    def runs(self, method: str, pair: str, tasks: Sequence[str], role: Role) -> tuple[TaskRun, ...]:
        """A method's runs on tasks: one each, or one at every point of the search, small values first.

        The table of hyper-parameters goes before the general values, a search before both.
        """
        search = self._tasks.search
        if search is not None:
            points = list(product(sorted(search.batch_sizes), sorted(search.learning_rates)))
            return tuple(self._run(task, *point) for task in tasks for point in points)
        settings, found = self._tasks, []
        for task in tasks:
            batch: int = settings.batch_size[task]  # type: ignore[index]
            rate: float = getattr(settings.learning_rate, role)[task]
            found.append(self._run(task, *self.rates.get((method, pair, task), (batch, rate))))
        return tuple(found)

    def _run(self, task: str, batch: int, rate: float) -> TaskRun:
        settings = self._tasks
        optimiser = settings.optimiser.model_dump() | {"learning_rate": rate}
        return TaskRun(
            task=task,
            text=self._texts[task],
            optimiser=Optimiser(**optimiser | {"betas": tuple(optimiser["betas"])}),
            epochs=settings.epochs[task],  # type: ignore[index]
            batch_size=batch,
            micro_batch_size=settings.micro_batch_size,
            max_length=settings.max_length[task],  # type: ignore[index]
            padding=settings.padding,
            evaluations=settings.evaluations,
        )


def _hyper_parameters(name: str) -> Mapping[tuple[str, str, str], tuple[int, float]]:
    """Batch size and learning rate by (method, pair, task), from a CSV in the repository."""
    found = {}
    try:
        with (REPOSITORY / name).open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=2):
                try:
                    key = (row["method"], row["config"], row["task"])
                    found[key] = (int(row["batch_size"]), float(row["learning_rate"]))
                except (KeyError, TypeError, ValueError):
                    raise InputError(
                        f"{name}:{number}: needs method, config, task, batch_size, learning_rate"
                    ) from None
    except FileNotFoundError:
        raise InputError(f"task_training.hyper_parameters: {name} is not a file") from None
    return found
