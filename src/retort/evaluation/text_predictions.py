"""Evaluating encoders on GLUE and encoder-decoders on generated texts, with the halves of ``held_out``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retort.data.layouts import Layout
from retort.data.seq2seq.tasks import spec_of
from retort.data.text_examples import ClassExample, PairExample
from retort.data.text_sets import batch_of_classes
from retort.data.text_tokenizer import TextTokenizer
from retort.evaluation.generation import Decoding, generate
from retort.evaluation.glue_metrics import glue_prediction, score_glue
from retort.evaluation.text_metrics import TextScores, score_texts
from retort.files import write_lines
from retort.models.features import CLASS, Family

_ROWS_AT_ONCE = 128


@dataclass(frozen=True)
class ClassEvaluation:
    """Predictions of a GLUE task, the scores behind them and their metrics.

    Attributes:
        predictions: by split, a class or a number for each example in order; ``labels``: the right ones.
        scores: by split, what the model gave for each example.
        metrics: on all examples; ``select``, ``report``: on every other one (choose a checkpoint on one
            half, report it on the other).
    """

    predictions: dict[str, list[int | float]]
    labels: dict[str, list[int | float]]
    scores: dict[str, list[list[float]]]
    metrics: dict[str, float]
    select: dict[str, float]
    report: dict[str, float]


@dataclass(frozen=True)
class PairEvaluation:
    """Generated texts and their scores; ``metrics``, ``select``, ``report`` as for classes."""

    texts: dict[str, str]
    scores: TextScores
    metrics: dict[str, float]
    select: dict[str, float]
    report: dict[str, float]


@torch.no_grad()
def evaluate_classes(
    family: Family,
    task: str,
    splits: Mapping[str, Sequence[ClassExample]],
    layout: Layout,
    device: torch.device,
    *,
    segments: bool = True,
) -> ClassEvaluation:
    """Predict every example of every validation split; the model's mode is left as found.

    Args:
        family: the model.
        task: official GLUE task name.
        splits: ``val`` and, of MNLI, ``val_mismatched``.
        layout: of the model family.
        device: where the model is.
        segments: as in :func:`retort.data.text_sets.batch_of_classes`.
    """
    training = family.module.training
    family.module.eval()
    scores = {
        split: _class_scores(family, examples, layout, device, segments) for split, examples in splits.items()
    }
    family.module.train(training)
    predictions = {split: [glue_prediction(task, row) for row in rows] for split, rows in scores.items()}
    labels = {split: [example.label for example in examples] for split, examples in splits.items()}
    halves = [
        score_glue(task, *({s: side[s][half::2] for s in side} for side in (predictions, labels)))
        for half in (0, 1)
    ]
    return ClassEvaluation(predictions, labels, scores, score_glue(task, predictions, labels), *halves)


def evaluate_pairs(
    model: Any,
    task: str,
    examples: Sequence[PairExample],
    layout: Layout,
    tokenizer: TextTokenizer,
    settings: Decoding,
    device: torch.device,
) -> PairEvaluation:
    """Generate a text for every example and score it.

    Args:
        model: an encoder-decoder of transformers.
        task: a summarisation or translation set.
        examples: its validation examples, at least two.
        layout, tokenizer: of the model family.
        settings: the search.
        device: where the model is.
    """
    texts = generate(model, examples, layout, tokenizer, settings, device=device)
    scores = score_texts(spec_of(task).kind, texts, {e.key: e.references for e in examples})
    halves = [scores.on(range(half, len(examples), 2)) for half in (0, 1)]
    return PairEvaluation(texts, scores, scores.metrics, *halves)


def write_classes(
    path: Path, evaluation: ClassEvaluation, splits: Mapping[str, Sequence[ClassExample]]
) -> None:
    """One JSON object a line: key, prediction, right answer, scores."""
    lines = []
    for split, examples in splits.items():
        columns = (evaluation.predictions[split], evaluation.labels[split], evaluation.scores[split])
        for example, prediction, label, scores in zip(examples, *columns, strict=True):
            rounded = [round(score, 6) for score in scores]
            record = {"key": example.key, "prediction": prediction, "label": label, "scores": rounded}
            lines.append(json.dumps(record))
    write_lines(path, lines)


def write_texts(path: Path, evaluation: PairEvaluation, examples: Sequence[PairExample]) -> None:
    """One JSON object a line: key, generated text, right texts."""
    lines = [
        json.dumps(
            {"key": e.key, "text": evaluation.texts[e.key], "references": e.references}, ensure_ascii=False
        )
        for e in examples
    ]
    write_lines(path, lines)


def _class_scores(
    family: Family, examples: Sequence[ClassExample], layout: Layout, device: torch.device, segments: bool
) -> list[list[float]]:
    """Scores of every example, computed in batches of similar length."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index]))
    scores: list[list[float]] = [[] for _ in examples]
    for first in range(0, len(order), _ROWS_AT_ONCE):
        chosen = order[first : first + _ROWS_AT_ONCE]
        batch = batch_of_classes([examples[i] for i in chosen], layout, segments=segments).to(device)
        found = family.observe(batch, frozenset({CLASS}))[CLASS].float().tolist()
        for index, row in zip(chosen, found, strict=True):
            scores[index] = row
    return scores
