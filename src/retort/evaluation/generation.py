"""Generating texts with encoder-decoders: every setting explicit, the result filed by example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from retort.data.layouts import Layout
from retort.data.text_batches import TextBatch
from retort.data.text_examples import PairExample
from retort.data.text_sets import batch_of_pairs
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.evaluation.decoding import Decoding


@torch.no_grad()
def generate(
    model: Any,
    examples: Sequence[PairExample],
    layout: Layout,
    tokenizer: TextTokenizer,
    settings: Decoding,
    *,
    device: torch.device,
    rows_at_once: int = 128,
) -> dict[str, str]:
    """Generate a text for every example, with a cache of keys and values.

    Sources of similar length go together. The decoder is given its first token and what all labels begin
    with (BART's ``<s>``, the language code of mBART-50), whatever the model's configuration says. The model's
    mode is left as found.

    Args:
        model: an encoder-decoder of transformers.
        examples: their sources are read.
        layout, tokenizer: of the model family.
        settings: the search.
        device: where the model is.
        rows_at_once: sources of one batch (a beam search holds ``beams`` times as many).

    Returns:
        Text by example key, in the order of ``examples``.

    Raises:
        InputError: ``max_length`` leaves no room behind what the decoder is given.
    """
    prompt = torch.tensor([layout.prompt], device=device)
    if settings.max_length <= prompt.shape[1]:
        raise InputError(f"generation: max_length {settings.max_length} leaves no room for a word; raise it")
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].source))
    texts: dict[str, str] = {}
    for first in range(0, len(order), rows_at_once):
        chosen = [examples[index] for index in order[first : first + rows_at_once]]
        batch = batch_of_pairs(chosen, layout).to(device)
        for example, ids in zip(chosen, searched(model, batch, prompt, layout, settings), strict=True):
            texts[example.key] = tokenizer.text(ids)
    return {example.key: texts[example.key] for example in examples}


def searched(
    model: Any, batch: TextBatch, prompt: torch.Tensor, layout: Layout, settings: Decoding
) -> list[list[int]]:
    """Ids of one text a row, from the prompt to the end token or padding.

    Args:
        model: an encoder-decoder in evaluation mode.
        batch: its sources are read.
        prompt: int64 [1, P], what the decoder is given.
        layout: of the model family.
        settings: the search.
    """
    from transformers import GenerationConfig

    wanted = GenerationConfig(
        max_length=settings.max_length,
        min_length=settings.min_length,
        num_beams=settings.beams,
        length_penalty=settings.length_penalty,
        no_repeat_ngram_size=settings.no_repeat_ngram,
        early_stopping=settings.early_stopping,
        do_sample=False,
        use_cache=True,
        pad_token_id=layout.pad,
        eos_token_id=layout.end,
        decoder_start_token_id=layout.start,
    )
    with explicit(model, wanted):
        found = model.generate(
            input_ids=batch.tokens,
            attention_mask=batch.attended.long(),
            decoder_input_ids=prompt.expand(len(batch.tokens), -1),
            generation_config=wanted,
        )
    return [row.tolist() for row in found]


@contextmanager
def explicit(model: Any, wanted: Any) -> Iterator[None]:
    """Let a model generate with the settings ``wanted`` alone, in evaluation mode.

    What is left open in a call is otherwise filled in from the model's own settings (forced tokens, say).
    Settings and mode are those from before at the end.
    """
    own, training = model.generation_config, model.training
    model.generation_config = wanted
    model.eval()
    try:
        yield
    finally:
        model.generation_config = own
        model.train(training)
