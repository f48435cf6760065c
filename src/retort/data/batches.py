"""Padded batches of GLM examples, and their split into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from retort.data.examples import ClozeExample, GLMExample
from retort.models.features import Totals


@dataclass(frozen=True)
class Choices:
    """How rows make up task examples.

    Attributes:
        row: int64 [E, C], the row of each candidate (one a row where the answer is one token).
        real: bool [E, C], false for candidates that only fill up the batch.
        label: int64 [E].
        verbalizers: int64 [C] word ids of the classes, or ``None`` for multi-token answers.
        mean_over_tokens: score a candidate by the mean, not the sum, of its log-probabilities.
    """

    row: Tensor
    real: Tensor
    label: Tensor
    verbalizers: Tensor | None
    mean_over_tokens: bool = False

    def to(self, device: torch.device) -> Choices:
        """The same on another device."""
        return replace(
            self,
            row=self.row.to(device),
            real=self.real.to(device),
            label=self.label.to(device),
            verbalizers=None if self.verbalizers is None else self.verbalizers.to(device),
        )


@dataclass(frozen=True)
class GLMBatch:
    """Rows of equal, padded length.

    Attributes:
        tokens, targets: int64 [B, S]; ``positions``: int64 [B, 2, S]; ``sep``: int64 [B].
        predicted, valid: bool [B, S].
        example_of_row: int64 [B].
        keys: what each row's (pretraining) or example's (tasks) signals are filed under.
        totals: denominators of the global batch.
        choices: how rows make up task examples; ``None`` in pretraining.
    """

    tokens: Tensor
    targets: Tensor
    positions: Tensor
    sep: Tensor
    predicted: Tensor
    valid: Tensor
    example_of_row: Tensor
    keys: tuple[str, ...]
    totals: Totals
    choices: Choices | None = None

    def to(self, device: torch.device) -> GLMBatch:
        """The same batch on another device."""
        return replace(
            self,
            tokens=self.tokens.to(device),
            targets=self.targets.to(device),
            positions=self.positions.to(device),
            sep=self.sep.to(device),
            predicted=self.predicted.to(device),
            valid=self.valid.to(device),
            example_of_row=self.example_of_row.to(device),
            choices=None if self.choices is None else self.choices.to(device),
        )

    def split(self, size: int) -> list[GLMBatch]:
        """Micro-batches of ``size`` examples, see :func:`split`."""
        return split(self, size)


def collate(
    examples: Sequence[GLMExample], length: int | None = None, keys: Sequence[str] | None = None
) -> GLMBatch:
    """Pad pretraining examples to the longest (or to ``length``) and stack them.

    Pads carry token 0, position 0 and target 0, as in the authors' code. ``keys`` name the rows; without
    them they are numbered.
    """
    longest = max(len(example) for example in examples) if length is None else length
    rows = len(examples)
    ints = np.zeros((4, rows, longest), dtype=np.int64)
    flags = np.zeros((2, rows, longest), dtype=bool)
    for row, example in enumerate(examples):
        size = len(example)
        ints[0, row, :size] = example.tokens
        ints[1, row, :size] = example.targets
        ints[2:, row, :size] = example.positions
        flags[0, row, :size] = example.predicted
        flags[1, row, :size] = True
    whole = torch.from_numpy(ints)
    predicted, valid = torch.from_numpy(flags)
    totals = Totals(rows, rows, int(flags[1].sum()), int(flags[0].sum()))
    sep = torch.tensor([example.sep for example in examples])
    return GLMBatch(
        whole[0],
        whole[1],
        whole[2:].transpose(0, 1),
        sep,
        predicted,
        valid,
        torch.arange(rows),
        tuple(map(str, range(rows)) if keys is None else keys),
        totals,
    )


def collate_cloze(
    examples: Sequence[ClozeExample], length: int | None = None, mean_over_tokens: bool = False
) -> GLMBatch:
    """Pad and stack all candidates of task examples.

    Examples with fewer candidates than the batch's largest are filled up with copies of their
    first candidate, as in the authors' code; :attr:`Choices.real` tells them apart.
    """
    widest = max(len(example.candidates) for example in examples)
    flat: list[GLMExample] = []
    real = torch.zeros(len(examples), widest, dtype=torch.bool)
    for index, example in enumerate(examples):
        count = len(example.candidates)
        flat.extend(example.candidates)
        flat.extend([example.candidates[0]] * (widest - count))
        real[index, :count] = True
    batch = collate(flat, length)
    verbalizers = examples[0].verbalizers
    choices = Choices(
        row=torch.arange(len(flat)).view(len(examples), widest),
        real=real if verbalizers is None else torch.ones(len(examples), len(verbalizers), dtype=torch.bool),
        label=torch.tensor([example.label for example in examples]),
        verbalizers=None if verbalizers is None else torch.tensor(verbalizers),
        mean_over_tokens=mean_over_tokens,
    )
    totals = Totals(len(flat), len(examples), batch.totals.valid, batch.totals.predicted)
    return GLMBatch(
        batch.tokens,
        batch.targets,
        batch.positions,
        batch.sep,
        batch.predicted,
        batch.valid,
        torch.arange(len(examples)).repeat_interleave(widest),
        tuple(example.key for example in examples),
        totals,
        choices,
    )


def split(batch: GLMBatch, examples_per_part: int) -> list[GLMBatch]:
    """Cut a batch into micro-batches that keep its padding and its totals."""
    parts: list[GLMBatch] = []
    examples = batch.totals.examples
    for start in range(0, examples, examples_per_part):
        chosen = slice(start, min(examples, start + examples_per_part))
        inside = (batch.example_of_row >= chosen.start) & (batch.example_of_row < chosen.stop)
        rows = inside.nonzero()[:, 0]
        choices = batch.choices
        if choices is not None:
            width = choices.row.shape[1]
            count = chosen.stop - chosen.start
            choices = Choices(
                torch.arange(len(rows)).view(count, width),
                choices.real[chosen],
                choices.label[chosen],
                choices.verbalizers,
                choices.mean_over_tokens,
            )
        parts.append(
            GLMBatch(
                batch.tokens[rows],
                batch.targets[rows],
                batch.positions[rows],
                batch.sep[rows],
                batch.predicted[rows],
                batch.valid[rows],
                batch.example_of_row[rows] - start,
                batch.keys[chosen],
                batch.totals,
                choices,
            )
        )
    return parts
