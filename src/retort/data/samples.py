"""Pre-training samples: sample ``i`` is a pure function of the corpus, the seed and ``i``."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np

from retort.data.blocklm import BlockMasker
from retort.data.corpus import EncodedCorpus
from retort.data.examples import GLMExample
from retort.data.tokenizer import Tokenizer

_SENTENCE_ENDS = frozenset(".?!;:\n")
_SAMPLING, _MASKING = 0, 1


def stream(seed: int, index: int, purpose: int = _SAMPLING) -> Random:
    """The random generator of one sample; different (seed, index, purpose) give unrelated ones."""
    return Random((seed << 96) | (purpose << 64) | index)


class DocumentSamples:
    """One document per sample, [CLS] + document + eos, every epoch in another order.

    Meant for corpora of short documents; what exceeds the length is cut off at the right.
    """

    def __init__(self, corpus: EncodedCorpus, tokenizer: Tokenizer, length: int, seed: int) -> None:
        """``length``: most tokens of a sample, [CLS] and eos included."""
        self._corpus = corpus
        self._special = tokenizer.special
        self._length = length
        self.seed = seed
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(len(self._corpus))

    def sample(self, index: int) -> list[int]:
        """Token ids of sample ``index`` (any number >= 0: epochs follow one another)."""
        words = self._corpus.document(self.document(index))[: self._length - 2].tolist()
        return [self._special.cls, *words, self._special.eos]

    def document(self, index: int) -> int:
        """Number of the document that sample ``index`` starts with, from 0, as they follow in the corpus."""
        epoch, place = divmod(index, len(self._corpus))
        return int(self._order(epoch)[place])


class WindowSamples:
    """Windows of long documents, short ones joined (GLMKD: data_utils/datasets.py, BlockDataset).

    A document is drawn with probability proportional to its length. From a document that is too
    long a window is cut that starts and ends at sentence boundaries near a random place; a shorter
    one is followed by further documents until the window is full.
    """

    def __init__(self, corpus: EncodedCorpus, tokenizer: Tokenizer, length: int, seed: int) -> None:
        """``length``: most tokens of a sample (512 in GLM)."""
        self._corpus = corpus
        self._special = tokenizer.special
        self._length = length
        self.seed = seed
        self._ends = frozenset(
            index for index, token in enumerate(tokenizer.vocabulary) if _SENTENCE_ENDS.intersection(token)
        )

    def sample(self, index: int) -> list[int]:
        """Token ids of sample ``index`` (any number >= 0), at most ``length`` of them."""
        rng = stream(self.seed, index)
        document = self._corpus.document(self._draw(rng))
        excess = len(document) + 2 - self._length  # with [CLS] and eos
        if excess > 0:
            return self._window(document, excess, rng)
        sample = [self._special.cls, *document.tolist(), self._special.eos]
        while len(sample) < self._length:
            room = self._length - len(sample)
            # Only the first ``room`` tokens can enter, so the rest of a long document is not touched.
            document = self._corpus.document(self._draw(rng))
            further = [self._special.cls, *document[: room + 1].tolist(), self._special.eos]
            sample += self._strip_right(further, room)
            if len(further) >= room:
                break
        return sample

    def document(self, index: int) -> int:
        """Number of the document that sample ``index`` starts with, from 0, as they follow in the corpus."""
        return self._draw(stream(self.seed, index))

    def _draw(self, rng: Random) -> int:
        return self._corpus.document_at(rng.randrange(self._corpus.total_tokens))

    def _window(self, document: np.ndarray, excess: int, rng: Random) -> list[int]:
        """Cut a window at a random place, moved by at most half its length to a sentence start."""
        start = rng.randrange(excess)
        step = -1 if rng.random() < 0.5 else 1
        for _ in range(self._length // 2):
            if start == 0 or int(document[start - 1]) in self._ends:
                break
            start += step
        words = document[start : start + self._length + 1].tolist()
        return self._strip_right([self._special.cls, *words, self._special.eos], self._length)

    def _strip_right(self, tokens: list[int], length: int) -> list[int]:
        """Cut to ``length``, at a sentence end if that leaves at least half of it."""
        if len(tokens) <= length:
            return tokens
        for end in range(length, max(length // 2, 1) - 1, -1):
            if tokens[end - 1] in self._ends:
                return tokens[:end]
        return tokens[:length]


class MaskedSamples:
    """The training examples: samples with their masking, again a pure function of the index."""

    def __init__(self, samples: DocumentSamples | WindowSamples, masker: BlockMasker) -> None:
        """Mask ``samples`` with ``masker``; the seed is that of the samples."""
        self._samples = samples
        self._masker = masker

    def example(self, index: int) -> GLMExample | None:
        """Example ``index``, or ``None`` where the masking dropped the sample."""
        rng = stream(self._samples.seed, index, _MASKING)
        return self._masker.mask(self._samples.sample(index), rng)

    def key(self, index: int) -> str:
        """What messages call sample ``index``."""
        return f"corpus/{self._samples.document(index)} (sample {index})"
