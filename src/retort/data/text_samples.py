"""Pretraining samples of transformers models: functions of corpora, seed and their number.

The distillation stages of Dasgupta and Cohn read clean text: an encoder is compared with its teacher on every
word, a decoder is fed the very text that its encoder reads, and nothing is masked. Their teachers come
pretrained. Where ours do not, they learn as such models do: masked words (BERT), text infilling (BART), the
next word (causal models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp
from random import Random
from typing import Literal

import numpy as np

from retort.data.corpus import EncodedCorpus
from retort.data.layouts import Layout
from retort.data.samples import stream
from retort.data.text_examples import framed
from retort.errors import InputError

_MASKING = 1
Noise = Literal["none", "words", "infilling"]


@dataclass(frozen=True)
class TextSample:
    """One sample of a pretraining run.

    Attributes:
        tokens: int32 [S], what the model (the encoder) reads.
        target: int32 [T]: for encoders the clean words at the same places, for causal models the very
            words (T = S), else the labels.
        predicted: bool [T], where a word is predicted.
    """

    tokens: np.ndarray
    target: np.ndarray
    predicted: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


class TextSamples:
    """One document a sample, cut off at the length; several corpora take turns.

    What stands around the words stays whole, but for causal models, whose end token says that a text is
    over: behind a text that goes on it is missing.

    Turns are even whatever the sizes, as mC4's fifty languages had. Every corpus has its own epochs, each in
    another order.

    Attributes:
        seed: of order and noise.
    """

    def __init__(
        self,
        corpora: Sequence[EncodedCorpus],
        layouts: Sequence[Layout],
        length: int,
        seed: int,
        noise: Noise = "none",
        share: float = 0.15,
    ) -> None:
        """Read ``corpora``, each framed by its layout.

        Args:
            corpora: one, or one a language.
            layouts: of the same model family, one for each corpus.
            length: most tokens of a sample, special tokens included.
            seed: of order and noise.
            noise: ``none``; ``words``: some are hidden, as BERT does (encoders); ``infilling``: spans are
                hidden behind one mask each, as BART does.
            share: of the words that are hidden.

        Raises:
            InputError: the noise is not one of the family.
        """
        self._causal = layouts[0].causal
        encoder = layouts[0].start is None and not self._causal
        if noise == ("infilling" if encoder else "words") or (noise != "none" and layouts[0].mask is None):
            raise InputError(f"noise {noise!r} does not fit the model family; use another or 'none'")
        self._corpora, self._layouts = corpora, layouts
        self._length, self._noise, self._share = length, noise, share
        self._encoder = encoder
        self.seed = seed
        self._order = lru_cache(maxsize=2 * len(corpora))(self._shuffled)

    def example(self, index: int) -> TextSample:
        """Sample ``index`` (any number >= 0)."""
        turn, which = divmod(index, len(self._corpora))
        corpus, layout = self._corpora[which], self._layouts[which]
        epoch, place = divmod(turn, len(corpus))
        words = corpus.document(int(self._order(which, epoch)[place]))
        if self._causal:
            row = np.array([*layout.source[0], *words, *layout.target[1]], dtype=np.int32)[: self._length]
            return TextSample(row, row, np.arange(len(row)) > 0)
        clean = framed(words, layout.source, self._length)
        if self._encoder:
            hidden = self._hidden(clean, layout, stream(self.seed, index, _MASKING))
            return TextSample(hidden[0], clean, hidden[1])
        target = framed(words, layout.target, self._length)
        read = clean
        if self._noise == "infilling":
            assert layout.mask is not None
            kept = words[: len(clean) - sum(map(len, layout.source))].tolist()
            noised = _infilled(kept, layout.mask, self._share, stream(self.seed, index, _MASKING))
            read = framed(
                noised, layout.source, self._length + len(noised)
            )  # an insertion may make it longer
        return TextSample(read, target, np.ones(len(target), dtype=bool))

    def _shuffled(self, which: int, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, which, epoch]).permutation(len(self._corpora[which]))

    def _hidden(self, clean: np.ndarray, layout: Layout, rng: Random) -> tuple[np.ndarray, np.ndarray]:
        """The words with some hidden, and where words are predicted: everywhere if none is hidden.

        Of the chosen words 80 % become the mask, 10 % another word of the sample, 10 % stay (BERT draws the
        other word from the vocabulary).
        """
        if self._noise == "none":
            return clean, np.ones(len(clean), dtype=bool)
        before, after = (len(part) for part in layout.source)
        places = range(before, len(clean) - after)
        chosen = sorted(rng.sample(places, max(1, round(self._share * len(places)))))
        tokens, predicted = clean.copy(), np.zeros(len(clean), dtype=bool)
        predicted[chosen] = True
        for place in chosen:
            fate = rng.random()
            if fate < 0.8:
                tokens[place] = layout.mask
            elif fate < 0.9:
                tokens[place] = clean[rng.choice(places)]
        return tokens, predicted


def _infilled(words: Sequence[int], mask: int, share: float, rng: Random) -> list[int]:
    """The words with spans of Poisson length (mean 3, some are empty) behind one mask each.

    Any arrangement of spans that do not overlap is equally likely (BART, section 2.2).
    """
    lengths: list[int] = []
    left = round(share * len(words))
    while left > 0:
        lengths.append(min(_poisson(3.0, rng), left))
        left -= max(lengths[-1], 1)
    places = len(words) - sum(lengths) + len(lengths)
    masks = frozenset(rng.sample(range(places), len(lengths)))
    sizes, out, read = iter(lengths), [], 0
    for place in range(places):
        out.append(mask if place in masks else words[read])
        read += next(sizes) if place in masks else 1
    return out


def _poisson(mean: float, rng: Random) -> int:
    """A Poisson number by multiplying uniform ones (Knuth)."""
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
