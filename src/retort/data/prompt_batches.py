"""Batches of causal models: prompts with responses, and documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.data.text_batches import TextBatch, causal_batch
from retort.data.text_samples import TextSample


def batch_of_prompts(
    examples: Sequence[PromptExample], layout: Layout, *, prompt_targets: int | None = 0
) -> TextBatch:
    """Pad and stack prompts with their responses; what is predicted are the responses.

    Args:
        examples: at least one.
        layout: of the causal model.
        prompt_targets: so many last words of a prompt are predicted, too; ``None``: all of them (quirks: the
            authors' rollouts predict one, their OPT runs may have predicted all).
    """
    tokens = [[*e.prompt.tolist(), *e.response.tolist()] for e in examples]
    given = [0 if prompt_targets is None else max(0, len(e.prompt) - prompt_targets) for e in examples]
    batch = causal_batch(tokens, given, layout.pad)
    return replace(batch, keys=tuple(e.key for e in examples))


def batch_of_documents(samples: Sequence[TextSample], layout: Layout) -> TextBatch:
    """Pad and stack pretraining samples of a causal model: every word but the first is predicted.

    Rows have no keys, as no signal is stored for them.
    """
    return causal_batch([sample.tokens.tolist() for sample in samples], [0] * len(samples), layout.pad)
