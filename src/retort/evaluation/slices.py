"""The loss around students by ATKD, and around those of the methods that it was put on."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from retort.data.layouts import TextFamily, layout_of
from retort.data.prompt_examples import load_prompts
from retort.data.text_batches import TextBatch
from retort.data.text_sets import batch_of_prompts
from retort.data.text_tokenizer import TextTokenizer
from retort.distill.words import gold_losses
from retort.errors import InputError
from retort.evaluation.landscape import direction, losses_along
from retort.evaluation.sliced import beside_atkd
from retort.files import atomic_path, verify
from retort.models.checkpoint import WEIGHTS
from retort.models.features import WORDS, Family
from retort.models.hf.folders import load_family
from retort.runs import PromptRun

if TYPE_CHECKING:
    from retort.plan import Plan

COLUMNS = ("method", "pair", "seed", "stage", "direction", "alpha", "loss")
DIRECTIONS = 5
"""From one to the next the rise differs by a fifth (tiny students on the generated data)."""
POINTS = (-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Multiples of a direction that is as long as the weights. Up to 0.2 the loss of such students is a parabola,
at 0.5 it has nearly doubled; at 1, where Li et al. end, it says nothing of the minimum any more."""
EXAMPLES = 32
"""Of each set, the first ones: the loss of all students is taken on the same words."""
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Student:
    """A trained student, and what its loss is taken on.

    Attributes:
        method, pair, seed, stage: of the row of the table.
        model: folder of its weights; ``words``: of the encoded corpus, with the tokenizer; ``text``: of the
            encoded prompts.
        family: of models; ``sets``: that it is judged by.
    """

    method: str
    pair: str
    seed: int
    stage: str
    model: Path
    words: Path
    text: Path
    family: TextFamily
    sets: tuple[str, ...]


def students_of(plan: Plan, paper: str) -> list[Student]:
    """The students by ATKD and those by the same method without it, of each pair that has both."""
    found, layout = [], plan.layout
    for cell in beside_atkd(plan.cells_of(paper)):
        (stage,) = cell.stages
        ((name, run),) = stage.runs.items()
        assert isinstance(run, PromptRun)
        folders = layout.task_model(stage, name), layout.text(stage.data), layout.text(run.text)
        found.append(Student(cell.method, cell.pair, cell.seed, stage.id, *folders, run.family, run.sets))
    return found


def measure_landscape(students: Sequence[Student], out: Path, device: torch.device) -> None:
    """Write a line for each student, direction and point.

    ``loss`` is the cross-entropy in nats of the words of the references, a mean over words.

    Args:
        students: trained.
        out: CSV file with :data:`COLUMNS`.
        device: where models run.

    Raises:
        InputError: a model, tokenizer or set is missing, or was damaged.
    """
    lines = [(*head, f"{loss:.6g}") for one in students for *head, loss in _measured(one, device)]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)


def _measured(one: Student, device: torch.device) -> Iterator[tuple[str | int | float, ...]]:
    if not (one.model / WEIGHTS).is_file():
        raise InputError(f"{one.model / WEIGHTS}: no such file; run stage {one.stage} again")
    verify(one.model / WEIGHTS)
    student = load_family(one.model)
    student.module.to(device).eval()
    batches = _batches(one, device)
    for number in range(DIRECTIONS):
        along = direction(student.module, number)
        losses = losses_along(student.module, along, POINTS, lambda: reference_loss(student, batches))
        for point, loss in zip(POINTS, losses, strict=True):
            yield one.method, one.pair, one.seed, one.stage, number, point, loss


def _batches(one: Student, device: torch.device) -> list[TextBatch]:
    layout = layout_of(one.family, TextTokenizer.load(one.words / "tokenizer.json"))
    examples = [example for name in one.sets for example in load_prompts(one.text, name)[:EXAMPLES]]
    parts = range(0, len(examples), _ROWS_AT_ONCE)
    return [batch_of_prompts(examples[first : first + _ROWS_AT_ONCE], layout).to(device) for first in parts]


@torch.no_grad()
def reference_loss(student: Family, batches: Sequence[TextBatch]) -> float:
    """Mean cross-entropy in nats over all words that are predicted."""
    total, count = 0.0, 0
    for batch in batches:
        words = student.observe(batch, frozenset({WORDS}))[WORDS]
        total += gold_losses(words, batch.targets, batch.predicted).double().sum().item()
        count += int(batch.predicted.sum())
    return total / count
