"""Generating texts with encoder-decoders: every setting explicit, the result filed by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from retort.data.layouts import Layout
from retort.data.text_batches import TextBatch
from retort.data.text_examples import PairExample
from retort.data.text_sets import batch_of_pairs
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError


@dataclass(frozen=True)
class Decoding:
    """How texts are searched for. Nothing is taken from a model's own settings.

    Attributes:
        max_length: most tokens of the decoder, its first token included.
        beams: 1 is greedy search.
        min_length: fewest tokens, counted in the same way.
        length_penalty: power of the length that divides a beam's log-probability.
        no_repeat_ngram: n-grams of this length occur only once; 0 allows all.
        early_stopping: stop as soon as there are ``beams`` finished texts.
    """

    max_length: int
    beams: int = 1
    min_length: int = 0
    length_penalty: float = 1.0
    no_repeat_ngram: int = 0
    early_stopping: bool = False


RELEASED: Mapping[str, Decoding] = {
    "summarisation-validation": Decoding(33),
    "summarisation-12-layers": Decoding(127, beams=6),
    "translation": Decoding(127, beams=5, early_stopping=True),
}
"""Settings of the authors' scripts: validation of the small summarisation students (32 new tokens; greedy, as
the student is made from a bare configuration), of those with 12 layers on CNN/DM, and translation."""


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
    training = model.training
    model.eval()
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].source))
    texts: dict[str, str] = {}
    for first in range(0, len(order), rows_at_once):
        chosen = [examples[index] for index in order[first : first + rows_at_once]]
        batch = batch_of_pairs(chosen, layout).to(device)
        for example, ids in zip(chosen, _searched(model, batch, prompt, layout, settings), strict=True):
            texts[example.key] = tokenizer.text(ids)
    model.train(training)
    return {example.key: texts[example.key] for example in examples}


def _searched(
    model: Any, batch: TextBatch, prompt: torch.Tensor, layout: Layout, settings: Decoding
) -> list[list[int]]:
    """Ids of one text a row, from the prompt to the end token or padding."""
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
    own = model.generation_config
    # What is left open in a call is filled in from the model's own settings (forced tokens, say).
    model.generation_config = wanted
    try:
        found = model.generate(
            input_ids=batch.tokens,
            attention_mask=batch.attended.long(),
            decoder_input_ids=prompt.expand(len(batch.tokens), -1),
            generation_config=wanted,
        )
    finally:
        model.generation_config = own
    return [row.tolist() for row in found]
