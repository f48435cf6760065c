"""What terms gather from all micro-batches of a global batch before any of them is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from retort.distill.layermaps import Pair

Key = tuple[str, int, Pair]
"""Term, teacher and pair of layers."""


class Gathered:
    """Sums over micro-batches."""

    def __init__(self) -> None:
        self._sums: dict[Key, Tensor] = {}

    def __getitem__(self, key: Key) -> Tensor:
        return self._sums[key]

    def add(self, key: Key, value: Tensor) -> None:
        """Add what one micro-batch has."""
        self._sums[key] = self._sums[key] + value if key in self._sums else value


def random_state(device: torch.device) -> Tensor:
    """Where the generator that a device draws from stands."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def forget(state: Tensor, device: torch.device) -> None:
    """Put that generator back to where it stood."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
