"""Padded batches for encoders, encoder-decoders and causal language models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from retort.models.features import Totals


@dataclass(frozen=True)
class TextBatch:
    """Rows of equal, padded length; pads are on the right.

    What is predicted, valid and recorded belongs to the *output side*: the decoder of an
    encoder-decoder, the only stack of the others (T = S there). ``targets[b, t]`` is the word that
    the logits at ``t`` predict: a masked word's own position for encoders, the next word otherwise.

    Attributes:
        tokens, attended: int64 and bool [B, S], what the model reads and where it is no padding.
        targets: int64 [B, T]; ``predicted``, ``valid``: bool [B, T].
        keys: what each row's signals are filed under.
        totals: denominators of the global batch; an example is a row.
        segments: int64 [B, S], 0 and 1 for the first and second sentence of a pair.
        decoder_tokens: int64 [B, T], what the decoder of an encoder-decoder reads.
        labels: int64 [B], gold classes; or floats [B], gold scores.
    """

    tokens: Tensor
    attended: Tensor
    targets: Tensor
    predicted: Tensor
    valid: Tensor
    keys: tuple[str, ...]
    totals: Totals
    segments: Tensor | None = None
    decoder_tokens: Tensor | None = None
    labels: Tensor | None = None

    @property
    def example_of_row(self) -> Tensor:
        """int64 [B]: every row is an example."""
        return torch.arange(len(self.tokens), device=self.tokens.device)

    def to(self, device: torch.device) -> TextBatch:
        """The same batch on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in self._tensors().items()})

    def split(self, rows_per_part: int) -> list[TextBatch]:
        """Micro-batches that keep padding and totals."""
        parts = []
        for start in range(0, len(self.tokens), rows_per_part):
            part = slice(start, start + rows_per_part)
            cut = {name: tensor[part] for name, tensor in self._tensors().items()}
            parts.append(replace(self, keys=self.keys[part], **cut))
        return parts

    def _tensors(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


Rows = Sequence[Sequence[int]]


def masked_batch(tokens: Rows, originals: Rows, chosen: Sequence[Sequence[bool]], pad: int) -> TextBatch:
    """For masked language models: ``originals`` are predicted where ``chosen``."""
    ids, valid = _pad(tokens, pad)
    targets, _ = _pad(originals, pad)
    return _batch(ids, valid, targets, _pad(chosen, 0)[0].bool(), valid)


def whole_batch(tokens: Rows, pad: int) -> TextBatch:
    """For encoders that read texts as they are: every word is to be predicted in its own place."""
    ids, valid = _pad(tokens, pad)
    return _batch(ids, valid, ids, valid, valid)


def causal_batch(tokens: Rows, prompts: Sequence[int], pad: int) -> TextBatch:
    """For causal models: every word after the first ``prompts[b]`` of a row is predicted."""
    ids, valid = _pad(tokens, pad)
    targets = torch.cat((ids[:, 1:], ids.new_full((len(ids), 1), pad)), dim=1)
    follows = torch.cat((valid[:, 1:], torch.zeros_like(valid[:, :1])), dim=1)
    index = torch.arange(ids.shape[1])
    return _batch(ids, valid, targets, follows & (index + 1 >= torch.tensor(prompts)[:, None]), valid)


def seq2seq_batch(
    sources: Rows,
    targets: Rows,
    pad: int,
    start: int | None,
    lengths: tuple[int | None, int | None] = (None, None),
) -> TextBatch:
    """For encoder-decoders: the decoder reads ``start`` and the targets but their last word.

    Args:
        sources, targets: words with all special tokens.
        pad: fills up rows.
        start: ``None``: each row's own last word, as mBART puts the language code in front.
        lengths: columns of sources and targets; ``None``: the longest row's.
    """
    ids, attended = _pad(sources, pad, lengths[0])
    gold, valid = _pad(targets, pad, lengths[1])
    first = torch.tensor([[row[-1] if start is None else start] for row in targets])
    shifted = torch.cat((first, gold[:, :-1]), dim=1)
    return replace(_batch(ids, attended, gold, valid, valid), decoder_tokens=shifted)


def class_batch(
    tokens: Rows,
    segments: Rows | None,
    labels: Sequence[int] | Sequence[float],
    pad: int,
    length: int | None = None,
) -> TextBatch:
    """For classifiers of a sentence or a pair of sentences; float labels are scores to regress on."""
    ids, valid = _pad(tokens, pad, length)
    nothing = torch.zeros_like(valid)
    plain = _batch(ids, valid, torch.zeros_like(ids), nothing, valid)
    kinds = None if segments is None else _pad(segments, 0, length)[0]
    return replace(plain, segments=kinds, labels=torch.tensor(labels))


def _pad(rows: Sequence[Sequence[int]], fill: int, length: int | None = None) -> tuple[Tensor, Tensor]:
    """int64 [B, S] padded on the right to ``length`` or the longest row, and bool [B, S], false there."""
    sizes = torch.tensor([len(row) for row in rows])
    longest = int(sizes.max()) if length is None else length
    ids = torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], dtype=torch.int64)
    return ids, torch.arange(longest)[None] < sizes[:, None]


def _batch(tokens: Tensor, attended: Tensor, targets: Tensor, predicted: Tensor, valid: Tensor) -> TextBatch:
    rows = len(tokens)
    counted, gold, shifted, seen = (int(m.sum()) for m in (valid, predicted, valid[:, :-1], attended))
    totals = Totals(rows, rows, counted, gold, shifted, seen)
    keys = tuple(str(row) for row in range(rows))
    return TextBatch(tokens, attended, targets, predicted, valid, keys, totals)
