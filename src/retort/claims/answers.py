"""The answers of one run, scored on any resample of the examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.claims.overlaps import pair_scores
from retort.claims.prompts import Said, by_set, mean_over_sets
from retort.claims.tallies import read_predictions, tally, task_scores
from retort.data.glue.tasks import spec_of
from retort.errors import InputError
from retort.files import read_text
from retort.papers import Scoring

if TYPE_CHECKING:
    import numpy as np

_AGAIN = "run the stage again"
_CHUNK = 2**22
"""Numbers held at once where every draw has to be ranked."""


@dataclass(frozen=True)
class Answers:
    """What a run said about the examples of a task.

    Attributes:
        keys: of the examples, in their order.
        records: how many there are of what is drawn as a whole: examples, or passages with their questions.
        scores: weights [draws, records], how often each record is in each draw -> the task's score [draws].
        parts: numbers of records that are drawn each by themselves, by the name of the set of questions that
            they are; a task that is one file has no such name.
    """

    keys: tuple[str, ...]
    records: int
    scores: Callable[[np.ndarray], np.ndarray]
    parts: Mapping[str, int]


def read_answers(task: str, scoring: Scoring, path: Path) -> Answers:
    """Read the predictions of a run.

    Args:
        task: name of the task.
        scoring: decides the format and the metrics; the score is the mean of the leading ones.
        path: of ``predictions.jsonl``.

    Raises:
        InputError: no such file, or a line that is no prediction.
    """
    if scoring.kind == "cloze":
        predictions = read_predictions(task, path)
        sums = tally(task, predictions)
        keys = tuple(item.key for item in predictions)
        return _together(keys, len(sums), lambda weights: task_scores(task, weights @ sums))
    if scoring.kind == "classes":
        return _classes(task, scoring, path)
    if scoring.kind == "prompts":
        return _responses(path)
    return _texts(scoring, path)


def _together(keys: tuple[str, ...], records: int, scores: Callable[[np.ndarray], np.ndarray]) -> Answers:
    """Answers whose records are drawn from one file."""
    return Answers(keys, records, scores, {"": records})


def read_responses(path: Path) -> list[Said]:
    """The responses of a run to instructions, set by set.

    Raises:
        InputError: no such file, no response, or a line that is none.
    """
    names = Said._fields
    lines = [Said(*line) for line in _lines(path, names, (str, str, bool, list, (str, type(None)), str))]
    if not lines:
        raise InputError(f"{path}: no response; {_AGAIN}")
    return lines


def _responses(path: Path) -> Answers:
    lines = read_responses(path)
    parts = {name: len(part) for name, part in by_set(lines).items()}
    return Answers(tuple(line.key for line in lines), len(lines), mean_over_sets(lines), parts)


def _classes(task: str, scoring: Scoring, path: Path) -> Answers:
    """Of MNLI only what the score counts: the matched examples."""
    import numpy as np

    number = bool(spec_of(task).labels)
    fields = (str, int if number else (int, float), int if number else (int, float))
    lines = [
        line for line in _lines(path, ("key", "prediction", "label"), fields) if _split(line[0]) == "val"
    ]
    if not lines:
        raise InputError(f"{path}: no prediction for the split 'val'; {_AGAIN}")
    predictions, labels = (np.array([line[place] for line in lines], dtype=float) for place in (1, 2))
    metrics = [_METRICS[name](labels, predictions) for name in scoring.leading]
    return _together(tuple(line[0] for line in lines), len(lines), _mean_of(metrics))


def _texts(scoring: Scoring, path: Path) -> Answers:
    lines = list(_lines(path, ("key", "text", "references"), (str, str, list)))
    if not lines:
        raise InputError(f"{path}: no generated text; {_AGAIN}")
    texts, references = [line[1] for line in lines], [line[2] for line in lines]
    metrics = [pair_scores(name, texts, references) for name in scoring.leading]
    return _together(tuple(line[0] for line in lines), len(lines), _mean_of(metrics))


def _lines(
    path: Path, names: Sequence[str], kinds: Sequence[type | tuple[type, ...]]
) -> Iterator[tuple[Any, ...]]:
    """Fields of each line."""
    text = read_text(path, _AGAIN).removesuffix("\n")
    for number, line in enumerate(text.split("\n") if text else (), start=1):
        try:
            record = json.loads(line)
            found = tuple(record[name] for name in names)
            _split(found[0])
        except (json.JSONDecodeError, KeyError, TypeError, IndexError, AttributeError):
            raise InputError(f"{path}:{number}: not a prediction; {_AGAIN}") from None
        if not all(isinstance(value, kind) for value, kind in zip(found, kinds, strict=True)):
            raise InputError(f"{path}:{number}: not a prediction of this kind of task; {_AGAIN}")
        yield found


def _split(key: str) -> str:
    """``task/split/line``."""
    return key.split("/")[1]


def _mean_of(metrics: Sequence[Callable[[np.ndarray], np.ndarray]]) -> Callable[[np.ndarray], np.ndarray]:
    def scores(weights: np.ndarray) -> np.ndarray:
        return sum(metric(weights) for metric in metrics) / len(metrics)  # type: ignore[return-value]

    return scores


Metric = Callable[["np.ndarray"], "np.ndarray"]


def _accuracy(labels: np.ndarray, predictions: np.ndarray) -> Metric:
    right = (labels == predictions).astype(float)
    return lambda weights: 100 * (weights @ right) / weights.sum(-1)


def _f1(labels: np.ndarray, predictions: np.ndarray) -> Metric:
    """F1 of class 1; 0 where it is neither right nor predicted."""
    import numpy as np

    hits = 2.0 * ((labels == 1) & (predictions == 1))
    named = (labels == 1).astype(float) + (predictions == 1)

    def metric(weights: np.ndarray) -> np.ndarray:
        below = weights @ named
        return 100 * np.divide(weights @ hits, below, out=np.zeros_like(below), where=below > 0)

    return metric


def _pearson(labels: np.ndarray, predictions: np.ndarray) -> Metric:
    """Pearson correlation, of two classes that of Matthews; 0 where either side is constant."""
    # Shifted by a constant, so that no digits are lost where values are far from 0.
    x, y = labels - labels.mean(), predictions - predictions.mean()

    def metric(weights: np.ndarray) -> np.ndarray:
        return 100 * _correlation(weights, x, y)

    return metric


def _spearman(labels: np.ndarray, predictions: np.ndarray) -> Metric:
    """Pearson correlation of the ranks within the draw, equal values sharing the mean of theirs."""
    import numpy as np

    sides = [np.unique(values, return_inverse=True) for values in (labels, predictions)]
    places = [(inverse, len(values)) for values, inverse in sides]

    def metric(weights: np.ndarray) -> np.ndarray:
        step = max(1, _CHUNK // len(labels))
        parts = [weights[first : first + step] for first in range(0, len(weights), step)]
        return 100 * np.concatenate(
            [_correlation(p, *(_ranks(p, *place) for place in places)) for p in parts]
        )

    return metric


def _ranks(weights: np.ndarray, places: np.ndarray, values: int) -> np.ndarray:
    """Mid-rank of every example in every draw, about the middle rank; [draws, examples].

    Args:
        weights: [draws, examples].
        places: which of the sorted different values each example has; ``values``: how many there are.
    """
    import numpy as np

    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(values))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = counts.cumsum(1) - (counts - 1) / 2
    return (middle - (weights.sum(1, keepdims=True) + 1) / 2)[:, places]


def _correlation(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weighted Pearson correlation [draws] of two series [examples] or [draws, examples]."""
    import numpy as np

    total = weights.sum(-1)
    mean_x, mean_y = ((weights * side).sum(-1) / total for side in (x, y))
    spread_x, spread_y, shared = (
        (weights * product).sum(-1) / total - means
        for product, means in ((x * x, mean_x**2), (y * y, mean_y**2), (x * y, mean_x * mean_y))
    )
    norm = np.sqrt(np.maximum(spread_x, 0) * np.maximum(spread_y, 0))
    return np.divide(shared, norm, out=np.zeros_like(norm), where=norm > 1e-12)


_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], Metric]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _pearson,
    "pearson": _pearson,
    "spearman": _spearman,
}
