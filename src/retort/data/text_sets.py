"""Batches of text examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.data.text_batches import TextBatch, causal_batch, class_batch, seq2seq_batch
from retort.data.text_examples import ClassExample, PairExample


def batch_of_classes(
    examples: Sequence[ClassExample], layout: Layout, *, segments: bool = True, length: int | None = None
) -> TextBatch:
    """Pad and stack classification examples, to ``length`` or the longest; labels that are scores are floats.

    Without ``segments`` the model is not told which sentence is which but by the separator, as in the
    authors' scripts, which never pass token types.
    """
    kinds = [[0] * e.second + [1] * (len(e) - e.second) for e in examples]
    tokens, labels = [e.tokens.tolist() for e in examples], [e.label for e in examples]
    batch = class_batch(tokens, kinds, labels, layout.pad, length)
    named = replace(batch, keys=tuple(e.key for e in examples))
    return named if segments else replace(named, segments=None)


def batch_of_pairs(
    examples: Sequence[PairExample], layout: Layout, lengths: tuple[int | None, int | None] = (None, None)
) -> TextBatch:
    """Pad and stack text pairs, sources and targets to ``lengths`` or the longest ones.

    The decoder reads the labels behind its first token.
    """
    assert layout.start is not None
    sources, targets = [e.source.tolist() for e in examples], [e.target.tolist() for e in examples]
    batch = seq2seq_batch(sources, targets, layout.pad, layout.start, lengths)
    return replace(batch, keys=tuple(e.key for e in examples))


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
