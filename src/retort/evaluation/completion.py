"""Completing prompts with causal models: for evaluation, for rollouts of students, for texts of teachers.

A response is a function of the model, the prompt, the settings and the seed alone. Its random numbers come
from seed and example key, so that neither other prompts of the batch nor what ran before change it, and
nothing that runs after is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.errors import InputError
from retort.evaluation.decoding import Sampling
from retort.evaluation.generation import explicit


@torch.no_grad()
def complete(
    model: Any,
    prompts: Sequence[PromptExample],
    layout: Layout,
    settings: Sampling,
    *,
    device: torch.device,
    seed: int,
    rows_at_once: int = 64,
) -> list[list[int]]:
    """Responses of a model to prompts, with a cache of keys and values.

    Prompts of similar length go together, padded on the left. The model's mode and settings and the global
    random state are left as found.

    Args:
        model: a causal model of transformers.
        prompts: their prompts are read.
        layout: of the model family.
        settings: how words are drawn.
        device: where the model is.
        seed: of the draws; a run that completes prompts again and again gives another each time.
        rows_at_once: prompts of one batch.

    Returns:
        Ids of each response up to and including the end token, which is missing where ``max_new`` came first.

    Raises:
        InputError: a prompt leaves the model no room for ``max_new`` tokens.
    """
    _check_room(model, prompts, settings)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index].prompt))
    found: list[list[int]] = [[] for _ in prompts]
    for first in range(0, len(order), rows_at_once):
        places = order[first : first + rows_at_once]
        chosen = [prompts[place] for place in places]
        for place, row in zip(places, _completed(model, chosen, layout, settings, device, seed), strict=True):
            found[place] = row
    return found


def _check_room(model: Any, prompts: Sequence[PromptExample], settings: Sampling) -> None:
    longest = max((len(example.prompt) for example in prompts), default=0) + settings.max_new
    if longest > model.config.max_position_embeddings:
        raise InputError(
            f"generation: a prompt and max_new {settings.max_new} are {longest} tokens, the model reads "
            f"{model.config.max_position_embeddings}; lower one"
        )


def _completed(
    model: Any,
    prompts: Sequence[PromptExample],
    layout: Layout,
    settings: Sampling,
    device: torch.device,
    seed: int,
) -> list[list[int]]:
    from transformers import GenerationConfig, LogitsProcessorList

    wanted = GenerationConfig(
        max_new_tokens=settings.max_new,
        num_beams=1,
        do_sample=False,
        use_cache=True,
        pad_token_id=layout.pad,
        eos_token_id=layout.end,
    )
    tokens, attended = (part.to(device) for part in _padded_left(prompts, layout.pad))
    draws = LogitsProcessorList()
    if settings.temperature > 0:
        keys = [example.key for example in prompts]
        draws.append(Draws(uniform_numbers(keys, seed, settings.max_new).to(device), settings))
    with explicit(model, wanted):
        rows = model.generate(
            input_ids=tokens, attention_mask=attended, generation_config=wanted, logits_processor=draws
        )
    return [_cut(row, layout) for row in rows[:, tokens.shape[1] :].tolist()]


class Draws:
    """Turns logits so that greedy search draws words: all but the drawn one become impossible."""

    def __init__(self, numbers: Tensor, settings: Sampling) -> None:
        """Draw with ``numbers``, uniform in [0, 1), [rows, tokens]: one for each word."""
        self._numbers = numbers
        self._settings = settings
        self._drawn = 0

    def __call__(self, tokens: Tensor, logits: Tensor) -> Tensor:
        """Logits [rows, V] that are 0 at the drawn words and minus infinity elsewhere."""
        words = draw(logits, self._numbers[:, self._drawn], self._settings)
        self._drawn += 1
        return torch.full_like(logits, -torch.inf).scatter(1, words[:, None], 0.0)


def draw(logits: Tensor, numbers: Tensor, settings: Sampling) -> Tensor:
    """One word a row, by inverting the cumulative distribution of the likeliest words.

    Args:
        logits: [rows, V].
        numbers: uniform in [0, 1), [rows].
        settings: temperature above 0, and ``top_p``.

    Returns:
        int64 [rows].
    """
    chances, words = (logits.double() / settings.temperature).softmax(-1).sort(descending=True, stable=True)
    reached = chances.cumsum(-1)
    kept = (reached - chances < settings.top_p) & (chances > 0)
    limit = torch.where(kept, reached, 0.0).amax(-1)
    place = (reached <= (numbers * limit)[:, None]).sum(-1)
    return words.gather(1, place.clamp(max=kept.sum(-1) - 1)[:, None])[:, 0]


def uniform_numbers(keys: Sequence[str], seed: int, count: int) -> Tensor:
    """Uniform numbers in [0, 1) of double precision, [keys, count]; a row depends on its key and the seed."""
    rows = []
    for key in keys:
        digest = int.from_bytes(sha256(key.encode()).digest()[:8], "big")
        rows.append(np.random.default_rng([seed, digest]).random(count))
    return torch.from_numpy(np.stack(rows))


def _padded_left(prompts: Sequence[PromptExample], pad: int) -> tuple[Tensor, Tensor]:
    """int64 [B, P] padded on the left, and int64 [B, P], 0 on padding."""
    longest = max(len(example.prompt) for example in prompts)
    missing = [longest - len(example.prompt) for example in prompts]
    tokens = [[pad] * n + example.prompt.tolist() for n, example in zip(missing, prompts, strict=True)]
    attended = [[0] * n + [1] * (longest - n) for n in missing]
    return torch.tensor(tokens), torch.tensor(attended)


def _cut(row: list[int], layout: Layout) -> list[int]:
    """A row up to and including its first end token."""
    assert layout.end is not None
    return row[: row.index(layout.end) + 1] if layout.end in row else row
