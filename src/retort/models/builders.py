"""The one narrow interface between stages and the making of models: new, read, written, cut out of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from retort.distill.vocabulary import VocabularyMap
    from retort.models.features import Family, Shape
    from retort.training.units import Units


class Builder(Protocol):
    """Makes the models of one architecture.

    A folder is one that :meth:`save` wrote or, for :meth:`import_folder`, anybody's. ``classes`` are the
    outputs of a classifier; ``None``: the model predicts words.
    """

    @property
    def units(self) -> Units[Any]:
        """How such models are shared out among processes."""
        ...

    def new(self, text: Path, vocabulary: VocabularyMap | None, classes: int | None) -> Module:
        """A model with random parameters for the words of an encoded corpus, or for those that are kept."""
        ...

    def load(self, folder: Path, classes: int | None) -> Module:
        """A stored model; a head that it lacks is drawn at random.

        Raises:
            InputError: files are missing or do not fit, or it is of another architecture.
        """
        ...

    def import_folder(self, folder: Path, text: Path) -> Module:
        """A checkpoint made elsewhere.

        Raises:
            InputError: it does not fit the architecture or the words of the encoded corpus.
        """
        ...

    def save(self, folder: Path, module: Module, weights: dict[str, Tensor]) -> None:
        """Write configuration and weights (of a model that is shared out: whole ones)."""
        ...

    def cut(self, student: Module, teacher: Module, part: Any) -> None:
        """Start a student from a part of a teacher, see :class:`retort.stages.Truncation`."""
        ...

    def family(self, module: Module, vocabulary: VocabularyMap | None) -> Family:
        """The model behind the interface that objectives look through."""
        ...

    def alike(self, student: Any, teachers: Sequence[Any], text: Path) -> list[Any]:
        """Student and teachers (families, in this order) so that all show equally many words.

        Raises:
            InputError: one of them lacks words of the encoded corpus.
        """
        ...

    def shape(self, folder: Path) -> Shape:
        """The shape of a stored model, from its configuration alone."""
        ...

    def word_table(self, folder: Path) -> Tensor:
        """Word embeddings [V, D] of a stored model."""
        ...
