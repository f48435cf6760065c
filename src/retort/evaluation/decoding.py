"""How texts are searched for: settings of generation as a value, which stages hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Sampling:
    """How responses are drawn. Nothing is taken from a model's own settings.

    Attributes:
        max_new: most tokens of a response, its end token included.
        temperature: divides the logits; 0 always takes the likeliest word (greedy).
        top_p: words are drawn from the fewest that have at least this probability together.
    """

    max_new: int
    temperature: float = 0.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new < 1:
            raise InputError(f"generation: max_new {self.max_new} leaves no room for a word; raise it")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise InputError(
                f"generation: temperature {self.temperature} and top_p {self.top_p}: use at least 0, and a "
                "number above 0 and up to 1"
            )


RELEASED_SAMPLING: Mapping[str, Sampling] = {
    "greedy": Sampling(256),
    "sampled": Sampling(256, temperature=1.0),
}
"""The authors' evaluation and rollouts; and that of MiniLLM and its successors, whose ROUGE-L is a mean over
several seeds."""
