"""How long, on what batches and at which rates each stage is trained: configured values as frozen ones."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

from retort.config.loading import REPOSITORY
from retort.config.messages import nearest
from retort.config.model import TASKS, Config
from retort.corpora import Corpus
from retort.errors import InputError
from retort.files import read_text
from retort.runs import ClozeRun, Muon, Optimiser, Pretraining

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

    def runs(self, method: str, pair: str, tasks: Sequence[str], role: Role) -> tuple[ClozeRun, ...]:
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

    def _run(self, task: str, batch: int, rate: float) -> ClozeRun:
        settings = self._tasks
        optimiser = settings.optimiser.model_dump() | {"learning_rate": rate}
        return ClozeRun(
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


TEACHER_ROW = "GLM (teacher)"
"""What the table of hyper-parameters calls the teachers."""
_COLUMNS = ("method", "config", "task", "batch_size", "learning_rate")


def _hyper_parameters(name: str) -> Mapping[tuple[str, str, str], tuple[int, float]]:
    """Batch size and learning rate by (method, pair, task), from a CSV in the repository."""
    path = REPOSITORY / name
    if not path.is_file():
        raise InputError(
            f"task_training.hyper_parameters: {name} is not a file; name a CSV, or null for none"
        )
    found: dict[tuple[str, str, str], tuple[int, float]] = {}
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    lacking = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if lacking:
        raise InputError(f"{name}:1: column {lacking[0]!r} is missing; the columns are {', '.join(_COLUMNS)}")
    for row in reader:
        place = f"{name}:{reader.line_num}"
        key = (row["method"], row["config"], row["task"])
        if key[2] not in TASKS:
            raise InputError(f"{place}: task: no task {key[2]!r}; {nearest(str(key[2]), TASKS)}")
        if key in found:
            raise InputError(f"{place}: a second line for {', '.join(key)}; keep one of them")
        found[key] = _numbers(row, place)
    return found


def _numbers(row: Mapping[str, str | None], place: str) -> tuple[int, float]:
    """The batch size and the learning rate of a line."""
    try:
        batch, rate = int(row["batch_size"] or ""), float(row["learning_rate"] or "")
    except ValueError:
        batch, rate = 0, 0.0
    if batch < 1 or not 0 < rate < math.inf:
        raise InputError(
            f"{place}: batch_size {row['batch_size']!r} and learning_rate {row['learning_rate']!r} "
            "are to be a whole number and a number above 0; mend the line"
        )
    return batch, rate
