"""What a device holds of a model's weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """Bytes of a model.

    Attributes:
        all: of its weights; ``whole``: of those that a device gathers at a time.
    """

    all: float
    whole: float


def held(weights: float, block: float, blocks: int) -> Held:
    """Of a model of so many blocks: what is around them, and two of them, are gathered at a time."""
    return Held(weights, weights - blocks * block + min(2, blocks) * block)
