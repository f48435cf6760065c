"""Sizes of GLMs and which part of one a smaller one starts from, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retort.models.builders import Builder


@dataclass(frozen=True)
class Architecture:
    """A model's size, without the vocabulary, which the data decides.

    Attributes:
        name: as the papers abbreviate it (``T1``, ``S1``); not part of the stage's identity.
        layers, width, heads, positions, dropout, init_std: see :class:`retort.models.glm.GLMConfig`.
        factorised, trigram: width of an ALBERT-like or MobileBERT-like embedding.
        bottleneck: (inner width, feed-forwards per block) of an inverted bottleneck.
    """

    name: str
    layers: int
    width: int
    heads: int
    positions: int
    dropout: float
    init_std: float
    factorised: int | None = None
    trigram: int | None = None
    bottleneck: tuple[int, int] | None = None

    def builder(self) -> Builder:
        """What makes, reads and writes such models (imports torch)."""
        from retort.models.glm_builder import GLMBuilder

        return GLMBuilder(self)


@dataclass(frozen=True)
class Leading:
    """Start a GLM from a teacher's first layers and leading dimensions.

    Attributes:
        fused: cut the fused query-key-value matrix as one block (quirk ``fused-truncation``).
    """

    fused: bool = True
