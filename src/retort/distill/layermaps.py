"""Which student layers look at which teacher layers.

Layers are numbered as sites are: ``hidden`` runs from 0 (embeddings) to L, everything inside
a block from 1 to L, so that ``scores[i]`` and ``hidden[i]`` belong to the same block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from retort.errors import InputError


class Pair(NamedTuple):
    """Student layers compared with teacher layers (one each unless a map says otherwise)."""

    student: tuple[int, ...]
    teacher: tuple[int, ...]


class LayerMap(Protocol):
    """Resolves to layer pairs once the depths of both models are known."""

    def pairs(self, student_layers: int, teacher_layers: int) -> list[Pair]:
        """Pairs for models of these depths."""
        ...


def segment_ends(layers: int, groups: int) -> list[int]:
    """Last layer of each of ``groups`` contiguous segments of ``layers`` layers.

    The authors' segmentation is greedy: every segment takes ceil(layers / groups) layers as
    long as one layer is left for each later segment (12 -> 6: 2, 4, .., 12; 10 -> 4: 3, 6, 9, 10).

    Raises:
        InputError: fewer layers than groups.
    """
    if groups > layers:
        raise InputError(f"layer map: {groups} student layers cannot be spread over {layers} teacher layers")
    size = -(-layers // groups)
    ends: list[int] = []
    end = 0
    for left in range(groups - 1, -1, -1):
        end += min(size, layers - end - left)
        ends.append(end)
    return ends


@dataclass(frozen=True)
class Uniform:
    """Each student layer with the last teacher layer of its segment.

    Attributes:
        embedding: also pair the embeddings (layer 0 of both).
        last: include the last layer.
    """

    embedding: bool = False
    last: bool = True

    def pairs(self, student_layers: int, teacher_layers: int) -> list[Pair]:
        """Pairs in order of the student's layers."""
        ends = segment_ends(teacher_layers, student_layers)
        found = [Pair((i,), (t,)) for i, t in enumerate(ends, start=1)]
        if not self.last:
            found.pop()
        return [Pair((0,), (0,)), *found] if self.embedding else found


@dataclass(frozen=True)
class Last:
    """The last layer of both models."""

    def pairs(self, student_layers: int, teacher_layers: int) -> list[Pair]:
        """A single pair."""
        return [Pair((student_layers,), (teacher_layers,))]
