"""The network behind :class:`retort.distill.ensembles.Policy` and what it remembers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.models.features import CLASS, HARD, Features, Site


class Selector(nn.Module):
    """Probability of choosing each teacher for each example: sigmoid of two affine maps' sum.

    It remembers the latest states and actions, because the policy learns from them one step later. The
    memory is part of the state dict, as one tensor of ``memory`` columns and a row an example, so that a
    resumed run goes on with the same bits.

    Args:
        layers, width: of the encoder; ``teachers``: how many can be chosen.
        choices: candidates and classes that there is room for.
    """

    turn_count: Tensor

    def __init__(self, layers: int, width: int, teachers: int, choices: int) -> None:
        super().__init__()
        self.layers, self.choices, self.teachers = layers, choices, teachers
        self.of_state = nn.Linear(width * choices + teachers, teachers)
        self.of_scores = nn.Linear(choices * teachers, teachers)
        self.register_buffer("turn_count", torch.zeros((), dtype=torch.int64))
        self.memory: Tensor | None = None
        self._latest: Tensor | None = None

    @property
    def turn(self) -> int:
        """Micro-batches seen so far."""
        return int(self.turn_count)

    def look(self, teachers: Sequence[Features]) -> Tensor:
        """Probabilities [E, N] for a micro-batch, without gradient; keeps its states for :meth:`choose`."""
        encoder, others = teachers[0], teachers[1:]
        dtype = self.of_state.weight.dtype
        first = encoder[Site("hidden", self.layers)][:, 0].to(dtype)
        parts = [candidates(first, encoder.example_of_row, self.choices).flatten(1)]
        parts += [teacher[HARD][:, None].to(dtype) for teacher in others]
        parts += [_fit(teacher[CLASS].to(dtype), self.choices) for teacher in others]
        self._latest = torch.cat(parts, 1).detach()
        with torch.no_grad():
            return self.scores(self._latest).sigmoid()

    def choose(self, actions: Tensor) -> Tensor:
        """Keep the actions bool [E, N] beside their states; returns them as numbers."""
        assert self._latest is not None, "look() comes first"
        taken = actions.to(self._latest.dtype)
        self._latest = torch.cat((self._latest, taken), 1)
        return taken

    def scores(self, states: Tensor) -> Tensor:
        """Logits of choosing each teacher: [E, width * choices + N + choices * N] -> [E, N]."""
        state, scores = states.split((self.of_state.in_features, self.of_scores.in_features), 1)
        return self.of_state(state) + self.of_scores(scores)

    def previous(self) -> tuple[Tensor, Tensor] | None:
        """Present logits [E', N] of choosing and the actions taken, both of the previous micro-batch.

        That micro-batch is then forgotten.
        """
        previous, self.memory, self._latest = self.memory, self._latest, None
        self.turn_count += 1
        if previous is None:
            return None
        return self.scores(previous[:, : -self.teachers]), previous[:, -self.teachers :]

    def get_extra_state(self) -> Tensor:
        """The memory; no rows before the first step."""
        if self.memory is None:
            columns = self.of_state.in_features + self.of_scores.in_features + self.teachers
            return self.of_state.weight.new_zeros(0, columns)
        return self.memory

    def set_extra_state(self, state: Tensor) -> None:
        """Inverse of :meth:`get_extra_state`."""
        memory = state.to(self.of_state.weight.device, copy=True)
        self.memory = memory if len(memory) else None


def candidates(rows: Tensor, example_of_row: Tensor, room: int) -> Tensor:
    """Rows [B, H] by example, [E, room, H]: missing candidates are 0, those beyond ``room`` are cut."""
    starts = torch.cat((example_of_row.new_ones(1), example_of_row.diff()))
    index = torch.arange(len(rows), device=rows.device)
    place = index - index[starts > 0][example_of_row]
    laid = rows.new_zeros(int(example_of_row[-1]) + 1, room, rows.shape[1])
    kept = place < room
    laid[example_of_row[kept], place[kept]] = rows[kept]
    return laid


def _fit(scores: Tensor, room: int) -> Tensor:
    """[E, C] -> [E, room], cut or padded with 0."""
    return F.pad(scores[:, :room], (0, max(0, room - scores.shape[1])))
