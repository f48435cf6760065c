"""Scoring a model on a task's dev examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retort.data.batches import collate_cloze
from retort.data.examples import ClozeExample
from retort.evaluation.metrics import Prediction, predict, score_task
from retort.files import write_lines
from retort.models.features import CLASS, Family
from retort.training.distribution import ALONE, World, portion

_ROWS_AT_ONCE = 128


@dataclass(frozen=True)
class Evaluation:
    """Predictions with the scores behind them and their metrics.

    Attributes:
        metrics: on all examples; ``select``, ``report``: on the two halves of the ``held_out``
            protocol (choose a checkpoint on one, report it on the other).
    """

    predictions: tuple[Prediction, ...]
    scores: tuple[tuple[float, ...], ...]
    metrics: dict[str, float]
    select: dict[str, float]
    report: dict[str, float]


@torch.no_grad()
def evaluate(
    family: Family,
    task: str,
    examples: Sequence[ClozeExample],
    device: torch.device,
    mean_over_tokens: bool,
    world: World = ALONE,
) -> Evaluation:
    """Predict every example, in batches of similar length; the model's mode is left as found.

    Of several processes each runs its part of the batches, and all get the scores of all.
    """
    training = family.module.training
    family.module.eval()
    order = sorted(range(len(examples)), key=lambda index: _cost(examples[index]))
    mine: dict[int, tuple[float, ...]] = {}
    for chunk in portion(_chunks(order, examples), world):
        batch = collate_cloze([examples[i] for i in chunk], mean_over_tokens=mean_over_tokens).to(device)
        found = family.observe(batch, frozenset({CLASS}))[CLASS].float().tolist()
        for index, row in zip(chunk, found, strict=True):
            example = examples[index]
            width = len(example.candidates) if example.verbalizers is None else len(example.verbalizers)
            mine[index] = tuple(row[:width])
    family.module.train(training)
    found_by_all = {index: row for part in reversed(world.gather(mine)) for index, row in part.items()}
    scores = tuple(found_by_all[index] for index in range(len(examples)))
    predictions = tuple(predict(task, e, s) for e, s in zip(examples, scores, strict=True))
    first, second = halves(examples)
    return Evaluation(
        predictions,
        scores,
        score_task(task, predictions),
        score_task(task, [predictions[i] for i in first]),
        score_task(task, [predictions[i] for i in second]),
    )


def halves(examples: Sequence[ClozeExample]) -> tuple[list[int], list[int]]:
    """Indices of every other example; answers to one question (MultiRC) stay together."""
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(str(example.meta.get("question", index)), []).append(index)
    listed = list(groups.values())
    return sum(listed[::2], []), sum(listed[1::2], []) or listed[0]


def write_predictions(path: Path, evaluation: Evaluation) -> None:
    """One JSON object a line: key, prediction, right answer, scores."""
    lines = []
    for prediction, scores in zip(evaluation.predictions, evaluation.scores, strict=True):
        record: dict[str, Any] = {
            "key": prediction.key,
            "prediction": prediction.value,
            "label": prediction.meta.get("answers", prediction.label),
            "scores": [round(score, 6) for score in scores],
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_lines(path, lines)


def _cost(example: ClozeExample) -> tuple[int, int]:
    return len(example.candidates), max(len(row) for row in example.candidates)


def _chunks(order: list[int], examples: Sequence[ClozeExample]) -> list[list[int]]:
    """Runs of examples whose padded candidates stay within the row budget."""
    chunks: list[list[int]] = [[]]
    for index in order:
        widest = len(examples[index].candidates)
        if chunks[-1] and (len(chunks[-1]) + 1) * widest > _ROWS_AT_ONCE:
            chunks.append([])
        chunks[-1].append(index)
    return chunks
