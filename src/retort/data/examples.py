"""What the model is fed, as plain arrays: block-infilling examples and cloze examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class GLMExample:
    """One sequence of a GLM, without padding.

    Attributes:
        tokens: int32 [S]; ``tokens[:sep]`` is part A (visible to all), the rest part B.
        positions: int32 [2, S]; row 0 the position, row 1 the position inside the block.
        sep: length of part A.
        targets: int32 [S]; the token to predict at each position of part B (unused on part A).
        predicted: bool [S]; true where the prediction enters the loss.
    """

    tokens: np.ndarray
    positions: np.ndarray
    sep: int
    targets: np.ndarray
    predicted: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class ClozeExample:
    """One task example as one or more GLM sequences.

    Attributes:
        key: unique within its task and split; teacher signals and predictions are filed under it.
        candidates: one sequence (single-token answers) or one per answer candidate.
        label: index of the right class or candidate.
        verbalizers: token ids of the classes when the answer is one token, else ``None``.
        meta: what the official metric needs besides the prediction (question ids, answer texts).
    """

    key: str
    candidates: tuple[GLMExample, ...]
    label: int
    verbalizers: tuple[int, ...] | None
    meta: dict[str, Any] = field(default_factory=dict)
