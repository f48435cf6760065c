"""Making transformers models, and starting them from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from retort.errors import InputError
from retort.files import read_json, verify
from retort.models.checkpoint import WEIGHTS
from retort.models.features import Shape
from retort.models.hf.architecture import Slices, TextArchitecture, Vocabulary
from retort.models.hf.base import same_words
from retort.models.hf.building import build
from retort.models.hf.families import HFFamily, family_of
from retort.models.hf.folders import CONFIG, load_family, write_model
from retort.models.hf.truncation import truncate
from retort.models.hf.units import HF_UNITS

if TYPE_CHECKING:
    from retort.distill.vocabulary import VocabularyMap
    from retort.training.units import Units


def vocabulary_of(text: Path) -> Vocabulary:
    """Size and special words of the encoded corpus in a folder."""
    return Vocabulary(**read_json(text / "summary.json")["words"])


@dataclass(frozen=True)
class TextBuilder:
    """See :class:`retort.models.builders.Builder`."""

    architecture: TextArchitecture

    @property
    def units(self) -> Units[Any]:
        """Layer by layer."""
        return HF_UNITS

    def new(self, text: Path, vocabulary: VocabularyMap | None, classes: int | None) -> Any:
        """A model with random parameters; its vocabulary is whole."""
        assert vocabulary is None
        return build(self.architecture, vocabulary_of(text), classes).module

    def load(self, folder: Path, classes: int | None) -> Any:
        """A stored model, in evaluation mode."""
        verify(folder / WEIGHTS)
        module = load_family(folder, classes).module
        self._check(module, folder)
        return module

    def import_folder(self, folder: Path, text: Path) -> Any:
        """Anybody's transformers folder, for the same words."""
        module = load_family(folder).module
        self._check(module, folder)
        words, rows = vocabulary_of(text).size, module.config.vocab_size
        if rows < words:
            raise InputError(
                f"{folder}: has {rows} words, the vocabulary {words}; name the tokenizer files of this model "
                "in vocabulary.files of its track"
            )
        return module

    def save(self, folder: Path, module: Any, weights: dict[str, Tensor]) -> None:
        """Write what ``from_pretrained`` reads."""
        write_model(folder, module, weights)

    def cut(self, student: Any, teacher: Any, part: Slices) -> None:
        """Start from leading blocks of the teacher's tensors."""
        truncate(student, teacher, part)

    def family(self, module: Any, vocabulary: VocabularyMap | None) -> HFFamily:
        """The model behind the interface."""
        assert vocabulary is None
        return family_of(module)

    def alike(self, student: Any, teachers: Sequence[Any], text: Path) -> list[Any]:
        """Without the rows that fill up larger word tables."""
        return list(same_words(student, teachers, vocabulary_of(text).size))

    def shape(self, folder: Path) -> Shape:
        """From the stored vocabulary and the architecture."""
        return self._shape(int(read_json(folder / CONFIG)["vocab_size"]))

    def word_table(self, folder: Path) -> Tensor:
        """Word embeddings [V, D]."""
        with torch.no_grad():
            table: Tensor = self.load(folder, None).get_input_embeddings().weight
        return table

    def _shape(self, words: int) -> Shape:
        own = self.architecture
        if not own.decoder_layers:
            return Shape(own.encoder_layers, own.width, own.heads, words)
        return Shape(own.decoder_layers, own.width, own.heads, words, own.encoder_layers)

    def _check(self, module: Any, folder: Path) -> None:
        family = family_of(module)
        kind, expected = module.config.model_type, self._shape(family.shape.vocab)
        if kind != self.architecture.kind or family.shape != expected:
            raise InputError(
                f"{folder}: is a {kind} of {family.shape}, {self.architecture.name} a "
                f"{self.architecture.kind} of {expected}; mend the model's section or name another folder"
            )
