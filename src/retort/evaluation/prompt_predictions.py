"""Evaluating causal models on instructions, with the halves of ``held_out``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retort.data.instructions.sets import spec_of
from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.data.text_tokenizer import TextTokenizer
from retort.evaluation.completion import complete
from retort.evaluation.decoding import Sampling
from retort.evaluation.response_metrics import ResponseScores, distinct, score_responses
from retort.files import write_lines


@dataclass(frozen=True)
class PromptEvaluation:
    """Responses and their scores.

    Attributes:
        texts: by example key; ``responses``: their ids, up to and including the end token.
        scores: contributions of single items.
        metrics: on all examples; ``select``, ``report``: on every other one (choose a checkpoint on one half,
            report it on the other).
    """

    texts: dict[str, str]
    responses: dict[str, list[int]]
    scores: ResponseScores
    metrics: dict[str, float]
    select: dict[str, float]
    report: dict[str, float]


def evaluate_prompts(
    model: Any,
    name: str,
    examples: Sequence[PromptExample],
    layout: Layout,
    tokenizer: TextTokenizer,
    settings: Sampling,
    device: torch.device,
    *,
    seed: int = 0,
) -> PromptEvaluation:
    """Generate a response to every prompt and score it.

    Args:
        model: a causal model of transformers.
        name: of the set.
        examples: its examples, at least two.
        layout, tokenizer: of the model family.
        settings: how responses are drawn.
        device: where the model is.
        seed: of the draws.
    """
    ids = complete(model, examples, layout, settings, device=device, seed=seed)
    responses = {example.key: row for example, row in zip(examples, ids, strict=True)}
    texts = {key: tokenizer.text(row) for key, row in responses.items()}
    ended = {key: bool(row) and row[-1] == layout.end for key, row in responses.items()}
    scores = score_responses(texts, ended, examples, by_group=spec_of(name).by_group)
    parts = [range(len(examples)), range(0, len(examples), 2), range(1, len(examples), 2)]
    found = []
    for part in parts:
        said = [texts[examples[place].key] for place in part]
        found.append(scores.on(part) | {f"distinct{size}": distinct(said, size) for size in (1, 2)})
    return PromptEvaluation(texts, responses, scores, *found)


def write_responses(path: Path, evaluation: PromptEvaluation, examples: Sequence[PromptExample]) -> None:
    """One JSON object a line: key, text, number of its tokens, whether it ended, what is right, sub-task."""
    ended = evaluation.scores.contributions["ends"][:, 0]
    lines = []
    for example, end in zip(examples, ended, strict=True):
        record = {
            "key": example.key,
            "text": evaluation.texts[example.key],
            "tokens": len(evaluation.responses[example.key]),
            "ended": bool(end),
            "references": example.references,
            "answer": example.answer,
            "group": example.group,
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_lines(path, lines)
