"""What terms gather from all micro-batches of a global batch before any of them is trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retort.distill.layermaps import Pair
from retort.models.features import Features

Key = tuple[str, int, Pair]
"""Term, teacher and pair of layers."""


class WordKey(NamedTuple):
    """Which words, and what is known of them: the same for all terms that choose among them.

    Attributes:
        teacher: its number; ``edited``: in the edited pass.
        among: see :attr:`retort.distill.positions.Positions.among`.
    """

    teacher: int
    edited: bool
    among: tuple[str, bool, bool, bool]


class Gathered:
    """Sums over micro-batches, numbers of their words, and what the teachers showed for that.

    Attributes:
        shown: the teachers' features by micro-batch: kept, so that no teacher runs twice.
    """

    def __init__(self) -> None:
        self.shown: list[tuple[Features, ...]] = []
        self._sums: dict[Key, Tensor] = {}
        self._words: dict[WordKey, dict[int, Tensor]] = {}

    def __getitem__(self, key: Key) -> Tensor:
        return self._sums[key]

    def add(self, key: Key, value: Tensor) -> None:
        """Add what one micro-batch has."""
        self._sums[key] = self._sums[key] + value if key in self._sums else value

    def note(self, key: WordKey, number: int, values: Tensor) -> None:
        """What the words [n] of the micro-batch with that number are."""
        self._words.setdefault(key, {})[number] = values

    def words(self, key: WordKey, number: int) -> tuple[Tensor, Tensor, int]:
        """Values [n] of one micro-batch, those of all [N], and where the former begin among them."""
        parts = self._words[key]
        start = sum(len(parts[before]) for before in range(number))
        return parts[number], torch.cat([parts[each] for each in sorted(parts)]), start


def random_state(device: torch.device) -> Tensor:
    """Where the generator that a device draws from stands."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def forget(state: Tensor, device: torch.device) -> None:
    """Put that generator back to where it stood."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
