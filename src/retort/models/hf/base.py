"""What transformers models have in common behind the narrow interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor
from torch.nn import functional as F

from retort.data.text_batches import TextBatch
from retort.errors import InputError
from retort.models.features import (
    CLASS,
    HARD,
    UNCHANGED,
    WORDS,
    Features,
    Patch,
    Shape,
    Site,
    WordLogits,
)
from retort.models.hf.attention import make_visible
from retort.models.hf.body import as_forward_of, layers_of, run_body
from retort.models.losses import language_model_loss, wide


class HFFamily:
    """What the families share; a subclass says where its tensors lie.

    Attributes:
        model_types: ``config.model_type`` of the models whose heads are known to be handled.
        rows: of the word table that site ``words`` shows, the first ones; ``None``: all.
    """

    model_types: frozenset[str] = frozenset()

    def __init__(self, module: Any, rows: int | None = None) -> None:
        if module.config.model_type not in self.model_types:
            offered = ", ".join(sorted(self.model_types))
            raise ValueError(f"{type(self).__name__} knows {offered}, not {module.config.model_type!r}")
        self._module = module
        self.rows = rows

    def showing(self, rows: int) -> Self:
        """The same model, of whose word table site ``words`` shows the first rows (:func:`same_words`)."""
        return type(self)(self.module, rows)

    @property
    def module(self) -> Any:
        """The model itself."""
        return self._module

    def blocks(self) -> list[Any]:
        """None: blocks of these models are not exchanged."""
        return []

    def stand_ins(self) -> None:
        """None: the vocabulary is whole."""
        return

    @property
    def shape(self) -> Shape:
        """Depth, width, heads and vocabulary of the recorded stack."""
        config = self.module.config
        return Shape(config.num_hidden_layers, config.hidden_size, config.num_attention_heads, self.vocab)

    @property
    def vocab(self) -> int:
        """Words that site ``words`` shows."""
        size: int = self.module.config.vocab_size
        return size if self.rows is None else self.rows

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """Keyword arguments of the whole model."""
        return {"input_ids": batch.tokens, "attention_mask": batch.attended.long()}

    def run(self, batch: TextBatch, *, hidden: bool, scores: bool) -> Any:
        """The body's output."""
        return run_body(self.module.base_model, self.inputs(batch), hidden=hidden, scores=scores)

    def words(self, out: Any) -> WordLogits:
        """Word logits from the body's output, of the whole table."""
        head = self.module.get_output_embeddings()
        return WordLogits(out.last_hidden_state, head.weight, head.bias)

    def classes(self, out: Any) -> Tensor:
        """Class scores [B, C] from the body's output."""
        raise ValueError(f"{type(self.module).__name__} has no site 'class'")

    def observe(self, batch: TextBatch, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Run the model once and return the tensors at ``want``.

        Raises:
            ValueError: a patch; these models run as they are.
        """
        if patch != UNCHANGED:
            raise ValueError(f"{type(self).__name__} cannot change a forward pass: edits are for GLM")
        scores = any(site.name in ("scores", "probs") for site in want)
        if scores:
            make_visible(self.module)
        values = as_forward_of(self.module, lambda: self._values(batch, want, scores))
        return Features(values, batch.valid, batch.predicted, batch.example_of_row, batch.attended)

    def _values(self, batch: TextBatch, want: frozenset[Site], scores: bool) -> dict[Site, Any]:
        hidden = any(site.name in ("hidden", "encoder") for site in want)
        out = self.run(batch, hidden=hidden, scores=scores)
        values: dict[Site, Any] = {site: self._read(out, site) for site in want - {WORDS, CLASS, HARD}}
        labels = batch.labels
        if WORDS in want or (HARD in want and labels is None):
            values[WORDS] = self.words(out)
        if CLASS in want or (HARD in want and labels is not None):
            values[CLASS] = self.classes(out)
        if HARD in want:  # of the whole table, so that words which no text has stay unlikely
            values[HARD] = (
                language_model_loss(values[WORDS], batch)
                if labels is None
                else class_loss(values[CLASS], labels)
            )
        if WORDS in values and self.rows is not None:
            values[WORDS] = values[WORDS].first(self.rows)
        return values

    def _read(self, out: Any, site: Site) -> Tensor:
        depth = self.shape.layers
        if site.name == "hidden" and 0 <= site.layer <= depth:
            return layers_of(out, "hidden_states", depth + 1)[site.layer]
        if site.name in ("scores", "probs") and 1 <= site.layer <= depth:
            scores = layers_of(out, "attentions", depth)[site.layer - 1]
            return scores if site.name == "scores" else scores.softmax(dim=-1)
        raise ValueError(f"{type(self).__name__} has no site {site}")


def class_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """[B]: cross-entropy of gold classes; of gold numbers the squared error of a single score."""
    if labels.is_floating_point():
        return (wide(scores)[:, 0] - labels).square()
    return F.cross_entropy(wide(scores), labels, reduction="none")


def same_words(student: HFFamily, teachers: Sequence[HFFamily], words: int) -> list[HFFamily]:
    """Student and teachers (in this order) so that all show equally many words.

    Models of one family may have word tables of different sizes, filled up to other multiples (Pythia: 50304
    and 50432). Nothing tells apart words behind the tokenizer's last one, so the shorter table decides.

    Args:
        student, teachers: all read texts of one tokenizer; ``words``: its size.

    Raises:
        InputError: the tokenizer has words that one of the tables lacks.
    """
    models = [student, *teachers]
    sizes = [int(model.module.config.vocab_size) for model in models]
    rows = shared_rows(sizes, words)
    return models if len(set(sizes)) == 1 else [model.showing(rows) for model in models]


def shared_rows(sizes: Sequence[int], words: int) -> int:
    """Rows that word tables of several sizes have in common.

    Args:
        sizes: of the student's table and of its teachers'; ``words``: of the tokenizer that all go by.

    Raises:
        InputError: the tokenizer has words that one of the tables lacks.
    """
    shortest = min(sizes)
    if words > shortest:
        raise InputError(
            f"the tokenizer has {words} words, but the word tables of student and teachers have "
            f"{', '.join(map(str, sizes))} rows: take models that know all its words, or their own tokenizer"
        )
    return shortest
