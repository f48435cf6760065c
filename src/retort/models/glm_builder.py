"""Making GLMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from retort.errors import InputError
from retort.files import read_json
from retort.models.checkpoint import WEIGHTS, import_glm, load_config, load_glm, load_tensors, save_glm
from retort.models.features import Shape
from retort.models.glm import GLM, Bottleneck, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.models.truncation import truncate

if TYPE_CHECKING:
    from retort.distill.vocabulary import VocabularyMap
    from retort.models.glm_architecture import Architecture, Leading
    from retort.training.units import Units


def vocabulary_rows(text: Path) -> int:
    """Rows of the word table for the encoded corpus in a folder (padded)."""
    return int(read_json(text / "summary.json")["vocabulary_rows"])


def glm_config(architecture: Architecture, vocabulary: int) -> GLMConfig:
    """The model configuration of an architecture with a vocabulary."""
    inner = architecture.bottleneck
    return GLMConfig(
        layers=architecture.layers,
        width=architecture.width,
        heads=architecture.heads,
        vocab=vocabulary,
        positions=architecture.positions,
        dropout=architecture.dropout,
        init_std=architecture.init_std,
        factorised=architecture.factorised,
        trigram=architecture.trigram,
        bottleneck=None if inner is None else Bottleneck(*inner),
    )


@dataclass(frozen=True)
class GLMBuilder:
    """See :class:`retort.models.builders.Builder`; a GLM answers tasks in words and has no classifier."""

    architecture: Architecture

    @property
    def units(self) -> Units[Any]:
        """Block by block."""
        from retort.training.units import GLM_UNITS

        return GLM_UNITS

    def new(self, text: Path, vocabulary: VocabularyMap | None, classes: int | None) -> GLM:
        """A model with random parameters."""
        rows = vocabulary_rows(text) if vocabulary is None else len(vocabulary.kept_ids)
        return GLM(glm_config(self.architecture, rows))

    def load(self, folder: Path, classes: int | None) -> GLM:
        """A stored model."""
        model = load_glm(folder)
        if model.config != glm_config(self.architecture, model.config.vocab):
            raise InputError(
                f"{folder}: holds another architecture than {self.architecture.name}; remove the folder, "
                "and the same command makes it again"
            )
        return model

    def import_folder(self, folder: Path, text: Path) -> GLM:
        """A folder of ours or in the layout of the authors' releases."""
        return import_glm(folder, glm_config(self.architecture, vocabulary_rows(text)))

    def save(self, folder: Path, module: Any, weights: dict[str, Tensor]) -> None:
        """Write ``config.json`` and ``model.safetensors``."""
        save_glm(folder, module, weights)

    def cut(self, student: Any, teacher: Any, part: Leading) -> None:
        """Start from the teacher's first layers and leading dimensions."""
        truncate(student, teacher, part.fused)

    def family(self, module: Any, vocabulary: VocabularyMap | None) -> GLMFamily:
        """The model behind the interface."""
        return GLMFamily(module, vocabulary)

    def alike(self, student: Any, teachers: Sequence[Any], text: Path) -> list[Any]:
        """As they are: GLMs of a run have one vocabulary, or a map from one to the other."""
        return [student, *teachers]

    def shape(self, folder: Path) -> Shape:
        """From the stored configuration."""
        config = load_config(folder)
        return Shape(config.layers, config.width, config.heads, config.vocab)

    def word_table(self, folder: Path) -> Tensor:
        """Word embeddings [V, D]."""
        return load_tensors(folder / WEIGHTS)["word_embeddings.weight"]
