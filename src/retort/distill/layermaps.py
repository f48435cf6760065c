"""Which student layers look at which teacher layers.

Layers are numbered as sites are: ``hidden`` runs from 0 (embeddings) to L, everything inside
a block from 1 to L, so that ``scores[i]`` and ``hidden[i]`` belong to the same block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from retort.distill.schedules import Clock
from retort.errors import InputError


class Pair(NamedTuple):
    """Student layers compared with teacher layers (one each unless a map says otherwise)."""

    student: tuple[int, ...]
    teacher: tuple[int, ...]


class LayerMap(Protocol):
    """Resolves to layer pairs once the depths of both models are known."""

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """The pairs at a moment; only random maps look at the clock."""
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
        start, stop: only student layers from ``start`` to before ``stop``.
    """

    embedding: bool = False
    last: bool = True
    start: int = 0
    stop: int | None = None

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """Pairs in order of the student's layers."""
        ends = segment_ends(teacher_layers, student_layers)
        found = [Pair((i,), (t,)) for i, t in enumerate(ends, start=1)]
        if not self.last:
            found.pop()
        if self.embedding:
            found.insert(0, Pair((0,), (0,)))
        stop = student_layers + 1 if self.stop is None else self.stop
        return [pair for pair in found if self.start <= pair.student[0] < stop]


def blocks(student_layers: int, teacher_layers: int) -> tuple[int, int, int]:
    """Both depths cut into as many equal blocks as they allow: how many, and the layers of one in each.

    8 and 12 are four blocks of two and three layers.
    """
    number = math.gcd(student_layers, teacher_layers)
    return number, student_layers // number, teacher_layers // number


@dataclass(frozen=True)
class BlockEnds:
    """The last layers of each block of the student with the last ones of the teacher's block.

    The maps of CKA's authors (Dasgupta and Cohn, 2025): every k-th layer where the depths divide; 2, 3, 5,
    6, 8, 9, 11, 12 of 12 for a student of 8; a student deeper than its teacher sees a block's last layer more
    than once (16 layers: 1, 2, 3, 3, 4, ..).

    Attributes:
        embedding: also pair the embeddings (layer 0 of both).
    """

    embedding: bool = False

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """Pairs in order of the student's layers."""
        number, ours, theirs = blocks(student_layers, teacher_layers)
        skipped = max(0, theirs - ours)
        found = [Pair((0,), (0,))] if self.embedding else []
        for block in range(number):
            for layer in range(1, ours + 1):
                end = block * theirs + min(theirs, skipped + layer)
                found.append(Pair((block * ours + layer,), (end,)))
        return found


@dataclass(frozen=True)
class Last:
    """The last layer of both models."""

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """A single pair."""
        return [Pair((student_layers,), (teacher_layers,))]


@dataclass(frozen=True)
class AllToAll:
    """Each student layer with all teacher layers at once.

    Attributes:
        last: include the last layers of both.
    """

    last: bool = True

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """One pair a student layer."""
        cut = 0 if self.last else 1
        everyone = tuple(range(1, teacher_layers + 1 - cut))
        return [Pair((layer,), everyone) for layer in range(1, student_layers + 1 - cut)]


@dataclass(frozen=True)
class Joint:
    """All pairs of another map as one pair of many layers."""

    of: Uniform

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """A single pair."""
        pairs = self.of.pairs(clock, student_layers, teacher_layers)
        return [Pair(tuple(p.student[0] for p in pairs), tuple(p.teacher[0] for p in pairs))]


@dataclass(frozen=True)
class RandomSubset:
    """All student layers but the last with as many random teacher layers, redrawn each epoch.

    RAIL-KD (Haidar et al., 2022), section 3.1; layers are sorted, the teacher's last one is left out.
    A student of one layer has none to compare.
    """

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """A single pair of many layers."""
        students = tuple(range(1, student_layers))
        if not students:
            return []
        drawn = clock.draw("layers", each="epoch").sample(range(1, teacher_layers), len(students))
        return [Pair(students, tuple(sorted(drawn)))]


@dataclass(frozen=True)
class RandomGroup:
    """One random student layer with its whole segment of teacher layers, redrawn each step (DIITO)."""

    def pairs(self, clock: Clock, student_layers: int, teacher_layers: int) -> list[Pair]:
        """A single pair: one student layer, a segment of teacher layers."""
        ends = [0, *segment_ends(teacher_layers, student_layers)]
        layer = clock.draw("intervention").randrange(1, student_layers + 1)
        return [Pair((layer,), tuple(range(ends[layer - 1] + 1, ends[layer] + 1)))]


DRAWN = (RandomSubset, RandomGroup)
"""Maps that look at the clock; the pairs of all others hold for a whole run."""
