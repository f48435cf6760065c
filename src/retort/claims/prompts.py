"""Answers to instructions on any resample: the mean over sets of each one's own metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from retort.data.instructions.sets import spec_of
from retort.data.prompt_examples import PromptExample
from retort.evaluation.response_metrics import BY_GROUP, score_responses

if TYPE_CHECKING:
    import numpy as np


class Said(NamedTuple):
    """A response with what is right: ``key`` is ``set/line``; ``group``: its sub-task."""

    key: str
    text: str
    ended: bool
    references: list[str]
    answer: str | None
    group: str

    @property
    def set(self) -> str:
        """Where the question is from."""
        return self.key.partition("/")[0]


def by_set(lines: Sequence[Said]) -> dict[str, list[Said]]:
    """Responses by set, in their order: a file has them set by set."""
    return {name: list(part) for name, part in groupby(lines, key=lambda line: line.set)}


def mean_over_sets(lines: Sequence[Said]) -> Callable[[np.ndarray], np.ndarray]:
    """Weights [draws, lines] -> the mean over sets [draws], in percent."""
    import numpy as np

    metrics, first = [], 0
    for name, part in by_set(lines).items():
        metrics.append((slice(first, first + len(part)), _of_set(name, part)))
        first += len(part)
    return lambda weights: np.mean([metric(weights[:, place]) for place, metric in metrics], axis=0)


def _of_set(name: str, lines: Sequence[Said]) -> Callable[[np.ndarray], np.ndarray]:
    """A set's metric: a ratio of sums, of some sets the mean of that over sub-tasks."""
    import numpy as np

    spec, none = spec_of(name), np.zeros(0, np.int32)
    examples = [
        PromptExample(line.key, none, none, tuple(line.references), line.answer, line.group) for line in lines
    ]
    texts, ended = {line.key: line.text for line in lines}, {line.key: line.ended for line in lines}
    rows = score_responses(texts, ended, examples).contributions[spec.metric]
    apart = spec.by_group and spec.metric in BY_GROUP
    names = [line.group if apart else "" for line in lines]
    members = np.array([[one == group for group in dict.fromkeys(names)] for one in names], dtype=float)

    def metric(weights: np.ndarray) -> np.ndarray:
        above, below = ((weights * rows[:, side]) @ members for side in (0, 1))
        ratios = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
        return 100 * _mean(ratios)

    return metric


def _mean(ratios: np.ndarray) -> np.ndarray:
    """Over the sub-tasks that a draw has; 0 where it has none."""
    import numpy as np

    known = ~np.isnan(ratios)
    return np.where(known, ratios, 0).sum(1) / np.maximum(known.sum(1), 1)
