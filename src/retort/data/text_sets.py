"""Batches of text examples and of pretraining samples, as functions of the update's number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Generic, TypeVar

from retort.data.layouts import Layout
from retort.data.text_batches import TextBatch, class_batch, masked_batch, seq2seq_batch
from retort.data.text_examples import ClassExample, PairExample
from retort.data.text_samples import TextSample, TextSamples

_WINDOW = 16
"""Batches that are sorted by length together: rows of one batch then have about equal length,
while the order of batches stays random."""

Example = TypeVar("Example", ClassExample, PairExample)
Collate = Callable[[Sequence[Example]], TextBatch]


def batch_of_classes(examples: Sequence[ClassExample], layout: Layout, *, segments: bool = True) -> TextBatch:
    """Pad and stack classification examples; the labels are floats where they are scores.

    Without ``segments`` the model is not told which sentence is which but by the separator, as in the
    authors' scripts, which never pass token types.
    """
    kinds = [[0] * e.second + [1] * (len(e) - e.second) for e in examples]
    tokens, labels = [e.tokens.tolist() for e in examples], [e.label for e in examples]
    batch = class_batch(tokens, kinds, labels, layout.pad)
    named = replace(batch, keys=tuple(e.key for e in examples))
    return named if segments else replace(named, segments=None)


def batch_of_pairs(examples: Sequence[PairExample], layout: Layout) -> TextBatch:
    """Pad and stack text pairs; the decoder reads the labels behind its first token."""
    assert layout.start is not None
    sources, targets = [e.source.tolist() for e in examples], [e.target.tolist() for e in examples]
    batch = seq2seq_batch(sources, targets, layout.pad, layout.start)
    return replace(batch, keys=tuple(e.key for e in examples))


def batch_of_samples(samples: Sequence[TextSample], layout: Layout) -> TextBatch:
    """Pad and stack pretraining samples; rows have no keys, as no signal is stored for them."""
    tokens, targets = [s.tokens.tolist() for s in samples], [s.target.tolist() for s in samples]
    if layout.start is None:
        return masked_batch(tokens, targets, [s.predicted.tolist() for s in samples], layout.pad)
    return seq2seq_batch(tokens, targets, layout.pad, layout.start)


class EpochBatches(Generic[Example]):
    """Batches of a task run: another seeded order each epoch, the last batch may be smaller."""

    def __init__(
        self, examples: Sequence[Example], collate: Collate[Example], batch_size: int, epochs: int, seed: str
    ) -> None:
        """Batch ``examples``.

        Args:
            examples: training examples.
            collate: makes a batch of some of them.
            batch_size: examples of one update.
            epochs: passes over the examples.
            seed: decides the orders; best with the task's name in it.
        """
        self._examples: Sequence[Example] = examples
        self._collate: Collate[Example] = collate
        self._size, self._seed = batch_size, seed
        self.per_epoch = -(-len(examples) // batch_size)
        self.total = epochs * self.per_epoch
        self._order = lru_cache(maxsize=1)(self._shuffled)

    def epoch(self, step: int) -> int:
        """Finished passes over the data after ``step`` updates."""
        return step // self.per_epoch

    def __call__(self, step: int) -> TextBatch:
        """The batch of the update after ``step`` finished ones."""
        epoch, place = divmod(step, self.per_epoch)
        chosen = self._order(epoch)[place * self._size : (place + 1) * self._size]
        return self._collate([self._examples[index] for index in chosen])

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(len(self._examples)))
        Random(f"{self._seed}/{epoch}").shuffle(order)
        return order


class SampleBatches:
    """Batches of a pretraining run: rows of similar length, a function of the seed and the number."""

    def __init__(self, samples: TextSamples, layout: Layout, batch_size: int) -> None:
        """Batch ``samples``; ``layout`` gives padding and the decoder's first token."""
        self._samples, self._layout, self._size = samples, layout, batch_size
        self._window = lru_cache(maxsize=1)(self._filled)

    def __call__(self, step: int) -> TextBatch:
        """The batch of the update after ``step`` finished ones."""
        window, place = divmod(step, _WINDOW)
        return batch_of_samples(self._window(window)[place], self._layout)

    def unseen(self, steps: int, rows: int) -> TextBatch:
        """A batch of the first ``rows`` samples that come after all that ``steps`` updates read."""
        first = -(-steps // _WINDOW) * _WINDOW * self._size
        return batch_of_samples([self._samples.example(first + i) for i in range(rows)], self._layout)

    def _filled(self, window: int) -> list[list[TextSample]]:
        count = self._size * _WINDOW
        samples = [self._samples.example(window * count + i) for i in range(count)]
        samples.sort(key=len)
        batches = [samples[a:b] for a, b in pairwise(range(0, count + 1, self._size))]
        Random(f"{self._samples.seed}/{window}").shuffle(batches)
        return batches
