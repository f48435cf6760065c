"""Work of writing texts word by word: evaluation of students, their rollouts, responses of teachers."""

from __future__ import annotations

from retort.costs.flops import word_logits
from retort.costs.text_flops import (
    around,
    attention,
    attention_width,
    blocks,
    encoder,
    forward,
    layers,
    output_width,
    two_stacks,
)
from retort.costs.work import NOTHING, Work
from retort.models.hf.architecture import TextArchitecture

_STEP, _BEAMS = 120.0, 200.0
"""Operations around the model at each word: masks, positions, the choice; with beams their bookkeeping."""


def written(
    model: TextArchitecture, words: int, rows: float, read: float, length: float, beams: int = 1
) -> Work:
    """Write ``length`` words after a source or a prompt, keys and values cached.

    Every word passes the decoder's blocks once and looks at all before it; of a source, keys and values are
    made once.

    Args:
        model: its architecture.
        words: rows of its word table.
        rows, read: texts of the batch and tokens that each begins with.
        length: words of each, until all are at an end.
        beams: texts that are followed for each row.
    """
    if length < 1:
        return NOTHING
    both = two_stacks(model)
    texts = rows * beams
    first = encoder(model, rows, read) + _cached(model, rows, read) if both else forward(model, rows, read)
    before = 0.0 if both else read
    here = around(model, texts, 1.0) + layers(model) * blocks(model, texts, 1.0)
    looked = layers(model) * attention(model, texts, 1.0, before + (length - 1) / 2)
    if both:  # :func:`blocks` makes keys and values of a source of no length
        looked += layers(model) * attention(model, texts, 1.0, read)
    logits = word_logits(texts, words, output_width(model), trained=False)
    each = here + logits + Work(looked, 0.0, _STEP + (_BEAMS if beams > 1 else 0.0))
    return first + length * each


def _cached(model: TextArchitecture, rows: float, read: float) -> Work:
    """A decoder's keys and values of the encoder's states, in all blocks."""
    across, tokens = attention_width(model), rows * read
    return layers(model) * Work(2.0 * 2 * tokens * model.width * across, 2 * tokens * across, 4.0)
