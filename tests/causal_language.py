"""A tiny causal language model that an objective can be tried on, with nothing of transformers."""

from __future__ import annotations

import torch
from torch import nn

from retort.data.text_batches import TextBatch, causal_batch
from retort.models.features import HARD, UNCHANGED, WORDS, Features, Patch, Shape, Site, WordLogits
from retort.models.losses import language_model_loss

VOCABULARY = 23


class Running(nn.Module):
    """Each state is made of the mean of the words so far."""

    def __init__(self, width: int, bias: bool = False) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, VOCABULARY, bias=bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """int64 [B, S] -> [B, S, D]."""
        seen = self.words(tokens).cumsum(1)
        count = torch.arange(1, tokens.shape[1] + 1, dtype=seen.dtype, device=tokens.device)
        return torch.tanh(self.mix(seen / count[:, None])) + self.words(tokens)


class CausalFamily:
    """It as objectives see it; ``passes`` counts its runs."""

    def __init__(self, width: int, seed: int, bias: bool = False, dropout: float = 0.0) -> None:
        torch.manual_seed(seed)
        self.module = Running(width, bias).double()
        self.shape = Shape(1, width, 1, VOCABULARY)
        self.dropout = nn.Dropout(dropout)
        self.passes = 0

    def blocks(self) -> list[nn.Module]:
        """None."""
        return []

    def stand_ins(self) -> None:
        """None."""
        return

    def observe(self, batch: TextBatch, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Words and labels."""
        assert want <= {WORDS, HARD} and patch is UNCHANGED
        self.passes += 1
        states = self.dropout(self.module(batch.tokens))
        words = WordLogits(states, self.module.head.weight, self.module.head.bias)
        values = {WORDS: words, HARD: language_model_loss(words, batch)}
        return Features(
            {site: values[site] for site in want}, batch.valid, batch.predicted, batch.example_of_row
        )


def teacher_of(width: int = 12, seed: int = 1) -> CausalFamily:
    """One that is trained no more."""
    family = CausalFamily(width, seed, bias=True)
    family.module.eval().requires_grad_(False)
    return family


def prompts_and_answers(lengths=(9, 6, 8, 4, 7, 5), prompts=(3, 2, 4, 1, 3, 2), seed: int = 0) -> TextBatch:
    """Random texts whose first words are given."""
    g = torch.Generator().manual_seed(seed)
    rows = [torch.randint(1, VOCABULARY, (n,), generator=g).tolist() for n in lengths]
    return causal_batch(rows, list(prompts), pad=0)
