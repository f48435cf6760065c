"""A GLM teacher's signals of a task, computed once and read by every student that learns the task.

Signals are filed under the example's key, never under a step. Word logits are too large to
store; the final hidden states are stored instead and multiplied by the teacher's output
embedding again, which is exact and saves all but that product.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retort.data.batches import GLMBatch, collate_cloze
from retort.data.examples import ClozeExample
from retort.data.superglue.tasks import spec_of
from retort.errors import InputError
from retort.files import atomic_path, verify
from retort.models.features import (
    CLASS,
    HARD,
    UNCHANGED,
    WORDS,
    Family,
    Features,
    Patch,
    Shape,
    Site,
    WordLogits,
)
from retort.models.glm_family import class_loss
from retort.training.lessons import Lesson

CACHED = frozenset({WORDS, CLASS, HARD})
"""What is worth storing: class scores (with the gold labels they give the teacher's own loss) and the
states behind the word logits. Per-layer features are larger than the forward pass that makes them is slow."""

_EXAMPLES_AT_ONCE = 32


@torch.no_grad()
def write_signals(
    path: Path, teacher: Family, examples: Sequence[ClozeExample], device: torch.device
) -> None:
    """Run the teacher once over all examples and store its signals, without padding."""
    hidden: list[Tensor] = []
    scores: list[Tensor] = []
    weight = torch.empty(0)
    mean = spec_of(examples[0].key.partition("/")[0]).length_penalty == 1
    for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
        chunk = examples[start : start + _EXAMPLES_AT_ONCE]
        batch = collate_cloze(chunk, mean_over_tokens=mean).to(device)
        seen = teacher.observe(batch, CACHED)
        words: WordLogits = seen[WORDS]
        weight = words.weight
        for index, example in enumerate(chunk):
            rows = (batch.example_of_row == index).nonzero()[: len(example.candidates), 0]
            hidden.extend(words.hidden[row][batch.valid[row]].cpu() for row in rows)
            width = len(example.candidates) if example.verbalizers is None else len(example.verbalizers)
            scores.append(seen[CLASS][index, :width].float().cpu())
    tensors = {
        "hidden": torch.cat(hidden),
        "row_end": torch.tensor([len(part) for part in hidden]).cumsum(0),
        "scores": torch.cat(scores),
        "score_end": torch.tensor([len(part) for part in scores]).cumsum(0),
        "example_end": torch.tensor([len(example.candidates) for example in examples]).cumsum(0),
        "weight": weight.cpu().contiguous(),
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {"keys": json.dumps([example.key for example in examples])})


def store_clozes(task: str, lesson: Lesson, folder: Path, teacher: Family, device: torch.device) -> None:
    """Write a teacher's class scores and final states on the training examples of a task."""
    write_signals(folder / f"{task}.safetensors", teacher, lesson.train, device)


class CachedTeacher:
    """A teacher that answers from its stored signals (a :class:`Family` without a forward pass)."""

    def __init__(self, path: Path, shape: Shape, device: torch.device) -> None:
        if not path.exists():
            raise InputError(f"{path}: no teacher signals; run the step that writes them first")
        verify(path)
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            keys = json.loads(stored.metadata()["keys"])
        self.module = nn.Identity().eval()
        self.shape = shape
        self._index = {key: index for index, key in enumerate(keys)}
        self._hidden = tensors["hidden"].to(device)
        self._scores = tensors["scores"].to(device)
        self._weight = tensors["weight"].to(device)
        self._rows = list(pairwise([0, *tensors["row_end"].tolist()]))
        self._spans = list(pairwise([0, *tensors["score_end"].tolist()]))
        self._examples = list(pairwise([0, *tensors["example_end"].tolist()]))

    def blocks(self) -> list[nn.Module]:
        """None: there is no model."""
        return []

    def stand_ins(self) -> None:
        """None: teachers have whole vocabularies."""
        return

    def observe(self, batch: GLMBatch, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Assemble the batch's signals, with the batch's padding and filler candidates."""
        assert batch.choices is not None and want <= CACHED and patch is UNCHANGED
        examples = [self._index[key] for key in batch.keys]
        values: dict[Site, Tensor | WordLogits] = {}
        if want & {CLASS, HARD}:
            scores = self._class(examples, batch.choices.real.shape[1])
            values[CLASS] = scores
            values[HARD] = class_loss(scores, batch.choices)
        if WORDS in want:
            values[WORDS] = WordLogits(self._states(examples, batch), self._weight)
        return Features(values, batch.valid, batch.predicted, batch.example_of_row)

    def _class(self, examples: list[int], width: int) -> Tensor:
        rows = []
        for index in examples:
            start, end = self._spans[index]
            scores = self._scores[start:end]
            rows.append(torch.cat((scores, scores[:1].expand(width - len(scores)))))
        return torch.stack(rows)

    def _states(self, examples: list[int], batch: GLMBatch) -> Tensor:
        """[B, S, D]; candidates beyond an example's own repeat its first, as in the batch."""
        wanted = batch.choices.row.shape[1] if batch.choices is not None else 1
        out = self._hidden.new_zeros(*batch.tokens.shape, self._hidden.shape[1])
        row = 0
        for index in examples:
            first, last = self._examples[index]
            for candidate in range(wanted):
                source = first + candidate if first + candidate < last else first
                start, end = self._rows[source]
                out[row, : end - start] = self._hidden[start:end]
                row += 1
        return out
