"""Corpora: what a model is pretrained on, and how samples are drawn; frozen values inside a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from retort.data.layouts import TextFamily
    from retort.data.text_samples import Noise
    from retort.training.probes import View
    from retort.training.streams import Source


@dataclass(frozen=True)
class Corpus:
    """How a GLM's pretraining samples are drawn and masked (see :mod:`retort.data.samples`)."""

    samples: Literal["documents", "windows"]
    max_length: int
    masking: Literal["paper", "mixture"]

    @property
    def length(self) -> int:
        """Tokens of a sample."""
        return self.max_length

    def source(self, text: Path, seed: int) -> Source[Any]:
        """The samples of the encoded corpus in a folder."""
        from retort.training.glm_lessons import BlockSamples

        return BlockSamples(self, text, seed)

    @property
    def view(self) -> View:
        """How students are laid beside their teachers."""
        from retort.training.probes import GLM_VIEW

        return GLM_VIEW


@dataclass(frozen=True)
class TextCorpus:
    """How a transformers model's pretraining samples are drawn (see :mod:`retort.data.text_samples`)."""

    family: TextFamily
    length: int
    noise: Noise

    def source(self, text: Path, seed: int) -> Source[Any]:
        """The samples of the encoded corpora in a folder."""
        from retort.training.text_lessons import CorpusSamples

        return CorpusSamples(self, text, seed)

    @property
    def view(self) -> View:
        """How students are laid beside their teachers."""
        from retort.training.probes import TEXT_VIEW

        return TEXT_VIEW
