"""What is fixed about each task: its classes, its head, its metrics and the paper's sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retort.errors import InputError

Head = Literal["single", "multi"]
Split = Literal["train", "val"]


@dataclass(frozen=True)
class TaskSpec:
    """One SuperGLUE task.

    Attributes:
        name: official name.
        pattern: number of the cloze pattern the GLMD authors ran (aitsc/GLMKD distill/auto_tune.py);
            it is not 0 everywhere.
        head: ``single`` scores one answer token per class, ``multi`` scores answer texts.
        labels: the classes in logit order, as the official files spell them; empty where the answer is
            one of a varying number of texts (ReCoRD).
        verbalizers: the answer word of each class (``single`` only).
        length_penalty: power of the answer length that divides a candidate's log-probability: 0 sums
            the tokens, 1 (WSC) averages them.
        max_length: tokens per sequence in the GLMD paper, Table 8.
        epochs: training epochs in the GLMD paper, Table 8.
        metrics: names of the official metrics; the first selects the best checkpoint.
    """

    name: str
    pattern: int
    head: Head
    labels: tuple[str, ...]
    verbalizers: tuple[str, ...]
    length_penalty: int
    max_length: int
    epochs: int
    metrics: tuple[str, ...]


_ENTAILMENT = ("entailment", "contradiction", "neutral")

SPECS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        TaskSpec("BoolQ", 4, "single", ("false", "true"), ("no", "yes"), 0, 256, 20, ("accuracy",)),
        TaskSpec("CB", 3, "single", _ENTAILMENT, ("yes", "no", "maybe"), 0, 256, 50, ("accuracy", "f1")),
        TaskSpec("COPA", 0, "multi", ("0", "1"), (), 0, 256, 50, ("accuracy",)),
        TaskSpec("MultiRC", 0, "single", ("0", "1"), ("no", "yes"), 0, 512, 15, ("f1a", "em")),
        TaskSpec("ReCoRD", 0, "multi", (), (), 0, 512, 5, ("em", "f1")),
        TaskSpec(
            "RTE", 0, "single", ("entailment", "not_entailment"), ("yes", "no"), 0, 256, 50, ("accuracy",)
        ),
        TaskSpec("WiC", 1, "single", ("false", "true"), ("no", "yes"), 0, 256, 30, ("accuracy",)),
        TaskSpec("WSC", 2, "multi", ("false", "true"), (), 1, 128, 50, ("accuracy",)),
    )
}

TASKS: tuple[str, ...] = tuple(SPECS)


def spec_of(task: str) -> TaskSpec:
    """The record of ``task``.

    Raises:
        InputError: the name is not one of :data:`TASKS` (names are case-sensitive).
    """
    if task not in SPECS:
        raise InputError(f"task {task!r} is not a SuperGLUE task; use one of {', '.join(TASKS)}")
    return SPECS[task]
