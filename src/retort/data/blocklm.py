"""GLM's objective: blank out spans of a text and generate them again, one after another.

A masking *strategy* is a value that picks spans; :class:`BlockMasker` lays the example out.
Source: Du et al. 2022 (GLM), section 2.1, and GLMKD's blocklm_utils.py, whose order of random
draws is kept, so that the same generator state gives the same example.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random

import numpy as np

from retort.data.examples import GLMExample
from retort.data.tokenizer import Specials, Tokenizer
from retort.errors import InputError

Span = tuple[int, int]  # [start, end) in the sample


@dataclass(frozen=True)
class Signs:
    """What a strategy needs to know about the vocabulary.

    Attributes:
        special: ids of the command tokens.
        boundaries: ids of the punctuation tokens that end a sentence piece.
        marks: ids of all tokens that are one character and no word.
    """

    special: Specials
    boundaries: frozenset[int] = frozenset()
    marks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class TokenSpans:
    """Spans of Poisson length until ``ratio`` of the tokens is covered (GLM's own objective).

    Attributes:
        ratio: share of the sample to mask; the last span may overshoot it.
        mean: mean of the Poisson distribution before it is cut to 1..``longest``.
        longest: longest span.
    """

    ratio: float = 0.15
    mean: float = 3.0
    longest: int = 39

    def __post_init__(self) -> None:
        if not (0 < self.ratio < 1 and self.mean > 0 and self.longest >= 1):
            raise InputError(f"{self}: needs 0 < ratio < 1, mean > 0 and longest >= 1")

    @cached_property
    def _cumulative(self) -> list[float]:
        log_weights = (k * math.log(self.mean) - self.mean - math.lgamma(k + 1) for k in self._lengths)
        return list(accumulate(math.exp(w) for w in log_weights))

    @property
    def _lengths(self) -> range:
        return range(1, self.longest + 1)

    def draw_lengths(self, tokens: int, rng: Random) -> list[int]:
        """Draw span lengths until their sum reaches ``int(ratio * tokens)``."""
        cumulative = self._cumulative
        total, last = cumulative[-1], self.longest - 1
        budget = int(self.ratio * tokens)
        lengths: list[int] = []
        while budget > 0:
            length = bisect(cumulative, rng.random() * total, 0, last) + 1
            lengths.append(length)
            budget -= length
        return lengths

    def spans(self, tokens: list[int], signs: Signs, rng: Random) -> list[Span]:
        """Spans at least one token apart; empty when the drawn lengths do not fit.

        Every document but the longest gets at most ``ratio`` of its tokens, the longest the rest;
        each document's [CLS] and the last token of the sample stay.
        """
        lengths = self.draw_lengths(len(tokens), rng)
        rng.shuffle(lengths)
        rng.shuffle(lengths)  # once more, as GLMKD does: it keeps its stream of random numbers
        documents = _documents(tokens, signs.special)
        spans: list[Span] = []
        done = 0
        for rank, (offset, size) in enumerate(documents):
            longest = rank == len(documents) - 1
            room, gap = (size, 1) if longest else (int(size * self.ratio), 0)
            used, count = 0, 0
            while done + count < len(lengths) and used + lengths[done + count] + gap * count <= room:
                used += lengths[done + count]
                count += 1
            spans += _place(lengths[done : done + count], offset, size, rng)
            done += count
        return spans if done == len(lengths) else []


@dataclass(frozen=True)
class SentencePieces:
    """One random piece between punctuation marks and every one-token piece (an answer).

    GLM's gap-sentence objective for short documents: without it the one-word answers of
    question-like documents would hardly ever be masked.

    Attributes:
        answers_only: probability of masking the answers alone, where there are any.
    """

    answers_only: float = 0.7

    def spans(self, tokens: list[int], signs: Signs, rng: Random) -> list[Span]:
        """Whole pieces in text order; empty when the sample holds no word."""
        pieces = _pieces(tokens, signs)
        if not pieces:
            return []
        answers = [piece for piece in pieces if piece[1] - piece[0] == 1]
        if answers and rng.random() < self.answers_only:
            return answers
        chosen = pieces[rng.randrange(len(pieces))]
        return sorted({chosen, *answers})


@dataclass(frozen=True)
class Suffix:
    """The end of the text from a uniformly drawn cut on, as one span; the closing eos stays.

    Attributes:
        shortest: smallest share of the words to mask.
        longest: largest share.
    """

    shortest: float = 0.2
    longest: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest <= 1:
            raise InputError(f"{self}: needs 0 < shortest <= longest <= 1")

    def spans(self, tokens: list[int], signs: Signs, rng: Random) -> list[Span]:
        """One span that ends before the trailing eos; empty when the sample holds no word."""
        start, end = _words(tokens, signs.special)
        if end <= start:
            return []
        masked = round((end - start) * rng.uniform(self.shortest, self.longest))
        return [(end - min(max(masked, 1), end - start), end)]


@dataclass(frozen=True)
class Mixture:
    """One strategy per sample, drawn with the given weights.

    Attributes:
        parts: pairs (weight, strategy).
    """

    parts: tuple[tuple[float, Strategy], ...]

    def __post_init__(self) -> None:
        if not self.parts or min(weight for weight, _ in self.parts) < 0 or self._cumulative[-1] <= 0:
            raise InputError("masking mixture: give at least one strategy, weights >= 0 and not all 0")

    @cached_property
    def _cumulative(self) -> list[float]:
        return list(accumulate(weight for weight, _ in self.parts))

    def spans(self, tokens: list[int], signs: Signs, rng: Random) -> list[Span]:
        """The spans of the drawn strategy."""
        cumulative = self._cumulative
        drawn = bisect(cumulative, rng.random() * cumulative[-1], 0, len(cumulative) - 1)
        return self.parts[drawn][1].spans(tokens, signs, rng)


Strategy = TokenSpans | SentencePieces | Suffix | Mixture

GLM_SPANS = TokenSpans(ratio=0.15, mean=3.0)
POCKET_MIXTURE = Mixture(
    ((0.35, TokenSpans(ratio=0.25, mean=2.0)), (0.55, SentencePieces(answers_only=0.7)), (0.10, Suffix()))
)


class BlockMasker:
    """Turns samples into examples with one strategy and one vocabulary."""

    def __init__(self, strategy: Strategy, tokenizer: Tokenizer, boundaries: str = ".?!,;") -> None:
        """``boundaries``: the punctuation characters at which sentence pieces end.

        Quotes and colons are left out: they would make an answer of the "or" between two quotations
        and of headings like "question :", and hide the real answers of such texts behind them.
        """
        ends = frozenset(index for mark in boundaries if (index := tokenizer.find(mark)) is not None)
        tokens = enumerate(tokenizer.vocabulary)
        marks = frozenset(index for index, token in tokens if len(token) == 1 and not token.isalnum())
        self.strategy = strategy
        self.signs = Signs(tokenizer.special, ends, marks)

    def mask(self, tokens: Sequence[int] | np.ndarray, rng: Random) -> GLMExample | None:
        """Mask one sample ([CLS] and eos included).

        Returns ``None`` when nothing can be masked or the drawn spans do not fit: the sample is
        dropped, as in GLM. The order in which spans are generated is random.
        """
        sample = tokens.tolist() if isinstance(tokens, np.ndarray) else list(tokens)
        spans = self.strategy.spans(sample, self.signs, rng)
        if not spans:
            return None
        rng.shuffle(spans)
        return lay_out(sample, spans, self.signs.special)


def lay_out(tokens: Sequence[int], spans: Sequence[Span], special: Specials) -> GLMExample:
    """Build the example in which ``spans`` (disjoint) are generated in the given order.

    Part A is the text with one [MASK] per span; part B holds [sop] + span for each, its targets
    span + [eop]. Every token of a span has the position of its [MASK]; its place inside the span,
    from 1 on, is the block position (0 in part A).
    """
    tokens = list(tokens)
    ids: list[int] = []
    place: dict[int, int] = {}
    cursor = 0
    for start, end in sorted(spans):
        ids += tokens[cursor:start]
        place[start] = len(ids)
        ids.append(special.mask)
        cursor = end
    ids += tokens[cursor:]
    sep = len(ids)
    targets = ids.copy()
    rows = [*range(sep)]
    blocks = [0] * sep
    for start, end in spans:
        span = tokens[start:end]
        ids.append(special.sop)
        ids += span
        targets += span
        targets.append(special.eop)
        rows += [place[start]] * (end - start + 1)
        blocks += range(1, end - start + 2)
    predicted = np.zeros(len(ids), dtype=bool)
    predicted[sep:] = True
    return GLMExample(
        tokens=np.array(ids, dtype=np.int32),
        positions=np.array((rows, blocks), dtype=np.int32),
        sep=sep,
        targets=np.array(targets, dtype=np.int32),
        predicted=predicted,
    )


def _documents(tokens: list[int], special: Specials) -> list[tuple[int, int]]:
    """(first word, number of maskable tokens) of the documents in a sample, shortest first."""
    documents = []
    ends = [i for i, token in enumerate(tokens) if token == special.eos] if special.eos in tokens else []
    after = len(tokens)
    for end in [*reversed(ends), -1]:
        start = end + 1
        if start < len(tokens) and tokens[start] == special.cls:
            start += 1
        size = after - start
        if after == len(tokens) and size > 0:
            size -= 1
        documents.append((start, size))
        after = end
    documents.sort(key=lambda document: document[1])
    return documents


def _place(lengths: list[int], offset: int, size: int, rng: Random) -> list[Span]:
    """Put spans of the given lengths, in this order, at random places of ``size`` tokens."""
    free = size - sum(lengths) - len(lengths) + 1
    spans = []
    for place, length in zip(sorted(rng.randrange(free + 1) for _ in lengths), lengths, strict=True):
        spans.append((offset + place, offset + place + length))
        offset += length + 1
    return spans


def _words(tokens: list[int], special: Specials) -> Span:
    """The sample without its leading [CLS] and trailing eos."""
    start = 1 if tokens and tokens[0] == special.cls else 0
    end = len(tokens) - 1 if tokens and tokens[-1] == special.eos else len(tokens)
    return start, end


def _pieces(tokens: list[int], signs: Signs) -> list[Span]:
    """The stretches between boundaries and command tokens that are more than a lone mark."""
    start, end = _words(tokens, signs.special)
    stops = signs.boundaries | {signs.special.cls, signs.special.eos}
    pieces = []
    for index in range(start, end + 1):
        if index == end or tokens[index] in stops:
            if index - start > 1 or (index > start and tokens[start] not in signs.marks):
                pieces.append((start, index))
            start = index + 1
    return pieces
