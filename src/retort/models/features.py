"""The one narrow interface between model families and distillation objectives.

An objective names *sites*; a family adapter runs its model once and hands back the tensors
at those sites. Nothing else passes between the two: model code knows no method, method code
no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from retort.lazy import functional as F

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


class Site(NamedTuple):
    """Where a tensor is read.

    ``name`` is one of

    ============ ====================== =====================================================
    ``hidden``   [B, S, H], layer 0..L  GLM: normalised input of block ``layer`` (0-based); layer L
                                        is the output of the final LayerNorm. Others:
                                        :mod:`retort.models.hf.families`
    ``residual`` [B, S, H], layer 0..L  GLM: input of block ``layer`` (0-based) before its LayerNorm;
                                        layer L is what the final LayerNorm gets
    ``encoder``  [B, S', H], 0..L'      hidden states of the encoder of an encoder-decoder, whose
                                        other sites (and masks) are its decoder's
    ``scores``   [B, A, S, S], 1..L     attention scores before the softmax
    ``probs``    [B, A, S, S], 1..L     attention probabilities before dropout
    ``q k v``    [B, S, H], 1..L        projections before the split into heads
    ``words``    :class:`WordLogits`    language-model logits, not yet multiplied out
    ``class``    [E, C]                 one score per candidate answer or class
    ``hard``     [R]                    cross-entropy against the gold labels, one per row
    ============ ====================== =====================================================

    Sites without layers carry layer -1.
    """

    name: str
    layer: int = -1


WORDS = Site("words")
CLASS = Site("class")
HARD = Site("hard")


@dataclass(frozen=True)
class WordLogits:
    """Language-model logits ``hidden @ weight.T + bias``, kept factorised.

    A dense tensor of rows x vocabulary is the largest object of a distillation step by far;
    whoever needs logits multiplies out just the rows and columns that enter a loss.

    Attributes:
        hidden: [B, S, D] input of the output projection.
        weight: [V, D] output embedding.
        bias: [V] or ``None``.
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None = None

    def keep(self, ids: Tensor) -> WordLogits:
        """Restrict the vocabulary to ``ids`` [M], in that order."""
        bias = None if self.bias is None else self.bias[ids]
        return WordLogits(self.hidden, self.weight[ids], bias)

    def first(self, size: int) -> WordLogits:
        """Restrict the vocabulary to its first ``size`` words: a view, nothing is copied."""
        bias = None if self.bias is None else self.bias[:size]
        return WordLogits(self.hidden, self.weight[:size], bias)

    def dense(self) -> Tensor:
        """All logits [B, S, V]: for tests and tiny models."""
        return F.linear(self.hidden, self.weight, self.bias)


@dataclass
class Features:
    """What one forward pass shows to an objective.

    Attributes:
        values: the recorded tensor of each wanted site.
        valid: bool [B, S], false on padding.
        predicted: bool [B, S], true where a word is predicted against a gold target.
        example_of_row: int64 [B], the example each row belongs to (rows are candidates).
        attended: bool [B, S'], the same as ``valid`` for site ``encoder``; ``None`` where there is none.
        targets: int64 [B, S], the gold word at each predicted position; ``None`` where no term asks for it.
    """

    values: Mapping[Site, Any]
    valid: Tensor
    predicted: Tensor
    example_of_row: Tensor
    attended: Tensor | None = None
    targets: Tensor | None = None

    def __getitem__(self, site: Site) -> Any:
        return self.values[site]


@dataclass(frozen=True)
class Shape:
    """What layer maps and lenses need to know of a model.

    ``layers`` and ``heads`` are those of the decoder where there are two stacks.
    """

    layers: int
    width: int
    heads: int
    vocab: int
    encoder_layers: int = 0

    def depth(self, site: str) -> int:
        """Layers of the stack that a site belongs to."""
        return self.encoder_layers if site == "encoder" else self.layers


@dataclass(frozen=True)
class Totals:
    """Denominators of the *global* batch, so that splitting it changes no gradient.

    Attributes:
        rows: sequences; ``examples``: task examples (equal to ``rows`` in pretraining).
        valid: positions that are not padding; ``predicted``: positions with a gold target.
        shifted: valid positions moved one to the right, as far as the batch is long.
        attended: positions of the encoder's input that are not padding.
        idle: this micro-batch repeats another and counts nothing, in loss and gradient: a process makes
            the pass only because models that are shared out run in all processes at once.
    """

    rows: int
    examples: int
    valid: int
    predicted: int
    shifted: int = 0
    attended: int = 0
    idle: bool = False


def moved_right(valid: Tensor) -> Tensor:
    """bool [B, S]: each row's values one position later, the first one false.

    Where words are fed to a decoder after a start token, these are the positions that read a word.
    """
    return F.pad(valid[:, :-1], (1, 0))


@dataclass(frozen=True)
class Patch:
    """Changes to one forward pass.

    Attributes:
        hidden: by layer, a function of the tensor at site ``hidden`` that gives the one used instead.
        residual: the same at site ``residual``.
        blocks: run these blocks instead of the model's own; empty: the model's own.
        words: int64 [V], the word that is read in the place of each; ``None``: every word as it is.
    """

    hidden: Mapping[int, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    residual: Mapping[int, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    blocks: tuple[Any, ...] = ()
    words: Tensor | None = None


UNCHANGED = Patch()


class Family(Protocol):
    """A model family as the objective and the training loop see it."""

    @property
    def module(self) -> Module:
        """The model itself."""
        ...

    @property
    def shape(self) -> Shape:
        """Depth, width, heads and vocabulary."""
        ...

    def blocks(self) -> Sequence[Any]:
        """The transformer blocks, for edits that exchange them."""
        ...

    def stand_ins(self) -> Tensor | None:
        """int64 [V]: each word, or the kept one that stands in for it; ``None`` with a whole vocabulary."""
        ...

    def observe(self, batch: Any, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Run the model once on ``batch``, changed by ``patch``, and return the tensors at ``want``."""
        ...


class Recorder:
    """Keeps the tensors of wanted sites while a model runs, and applies a patch."""

    def __init__(self, want: frozenset[Site], patch: Patch = UNCHANGED) -> None:
        self.want = want
        self.patch = patch
        self.values: dict[Site, Any] = {}

    def wants(self, *names: str, layer: int) -> bool:
        """Whether any of the sites ``(name, layer)`` is wanted."""
        return any(Site(name, layer) in self.want for name in names)

    def __call__(self, name: str, layer: int, value: Tensor) -> None:
        """Keep ``value`` if its site is wanted."""
        site = Site(name, layer)
        if site in self.want:
            self.values[site] = value

    def hidden(self, layer: int, value: Tensor) -> Tensor:
        """Record the hidden state of a layer; returns the one to go on with."""
        return self._passed("hidden", layer, value, self.patch.hidden.get(layer))

    def residual(self, layer: int, value: Tensor) -> Tensor:
        """Record the residual stream at a layer; returns the one to go on with."""
        return self._passed("residual", layer, value, self.patch.residual.get(layer))

    def _passed(
        self, name: str, layer: int, value: Tensor, change: Callable[[Tensor], Tensor] | None
    ) -> Tensor:
        if change is not None:
            value = change(value)
        self(name, layer, value)
        return value
