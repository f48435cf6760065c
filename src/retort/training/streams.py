"""Batches of pretraining examples as a function of the update's number."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from retort.errors import RetortError
from retort.training.distribution import ALONE, World, deal

_WINDOW = 16
"""Batches that are sorted by length together: rows of one batch then have about equal length,
while the order of batches stays random."""


Example = TypeVar("Example", bound=Sized)


class Source(Protocol[Example]):
    """Pretraining samples by index, and how some of them make a batch."""

    def example(self, index: int) -> Example | None:
        """Sample ``index``; ``None`` where the masking dropped it."""
        ...

    def key(self, index: int) -> str:
        """What messages call it."""
        ...

    def collate(self, examples: Sequence[Example], keys: Sequence[str]) -> Any:
        """A batch (see :class:`retort.training.lessons.Batch`)."""
        ...


class PretrainingStream(Generic[Example]):
    """Global batches of a pretraining run, split into micro-batches.

    A batch depends on the seed and its number alone. Dropped samples make a batch smaller, as
    in the authors' code. Of several processes each gets its micro-batches (see :func:`deal`).
    """

    def __init__(
        self,
        source: Source[Example],
        batch_size: int,
        micro_batch_size: int,
        seed: int,
        world: World = ALONE,
        together: bool = False,
    ) -> None:
        self._source = source
        self._batch_size = batch_size
        self._micro = micro_batch_size
        self._seed = seed
        self._world = world
        self._together = together
        self._window: tuple[int, list[list[tuple[int, Example]]]] = (-1, [])

    def __call__(self, step: int) -> list[Any]:
        """Micro-batches of the update after ``step`` finished ones."""
        window, place = divmod(step, _WINDOW)
        if self._window[0] != window:
            self._window = (window, self._fill(window))
        batch = self._collate(self._window[1][place])
        limit = self._micro if self._micro < self._batch_size else batch.totals.examples
        return deal(batch, limit, self._world, self._together)

    def unseen(self, steps: int, rows: int) -> Any:
        """A batch of the first ``rows`` samples that come after all that ``steps`` updates read.

        Where samples are documents and the run is shorter than one pass over the corpus, it never trains
        on these; windows at random places may overlap with earlier ones.
        """
        return self._collate(self._examples(-(-steps // _WINDOW) * _WINDOW * self._batch_size, rows))

    def _collate(self, samples: list[tuple[int, Example]]) -> Any:
        keys = [self._source.key(index) for index, _ in samples]
        return self._source.collate([example for _, example in samples], keys)

    def _examples(self, first: int, count: int) -> list[tuple[int, Example]]:
        """Samples ``first`` and the following by index, without those that the masking drops."""
        found = ((index, self._source.example(index)) for index in range(first, first + count))
        examples = [(index, example) for index, example in found if example is not None]
        if not examples:
            raise RetortError(
                f"pretraining samples {first} to {first + count - 1}: the masking dropped all; "
                "give longer documents, a longer pretraining.max_length or another masking"
            )
        return examples

    def _fill(self, window: int) -> list[list[tuple[int, Example]]]:
        size = self._batch_size * _WINDOW
        examples = sorted(self._examples(window * size, size), key=lambda sample: len(sample[1]))
        while len(examples) < _WINDOW:  # very small batches: repeat, so that none is empty
            examples = [example for example in examples for _ in range(2)]
        cuts = [len(examples) * i // _WINDOW for i in range(_WINDOW + 1)]
        batches = [examples[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        Random(f"{self._seed}/{window}").shuffle(batches)
        return batches
