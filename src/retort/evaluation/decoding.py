"""How texts are searched for: settings of generation as a value, which stages hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
