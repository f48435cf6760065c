"""The official GLUE metrics, in percent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from retort.data.glue.tasks import spec_of
from retort.errors import InputError

Values = Sequence[float]


def glue_prediction(task: str, scores: Sequence[float]) -> int | float:
    """What a model's scores of one example say: the class of the highest (the first of several), or a number.

    Args:
        task: official task name.
        scores: one a class; a single one for a regression.

    Raises:
        InputError: the number of scores is not that of the classes, or a score is NaN.
    """
    expected = len(spec_of(task).labels) or 1
    if len(scores) != expected:
        raise InputError(f"task {task}: {len(scores)} scores for {expected} answers")
    if any(math.isnan(score) for score in scores):
        raise InputError(f"task {task}: a score is NaN; the model has diverged")
    return max(range(expected), key=scores.__getitem__) if spec_of(task).labels else float(scores[0])


def score_glue(
    task: str, predictions: Mapping[str, Values], labels: Mapping[str, Values]
) -> dict[str, float]:
    """Official metrics of one task, in percent, under the names of ``spec_of(task).metrics``.

    A resampled list of examples gives the metric of that sample; all of them are functions of
    predictions and labels alone.

    Args:
        task: official task name.
        predictions: by split (``val``, and ``val_mismatched`` of MNLI), one a validation example.
        labels: the right answers in the same order.

    Raises:
        InputError: unknown task, a split is missing, or predictions and labels differ in number.
    """
    spec = spec_of(task)
    for split in spec.splits:
        if split != "train" and not len(predictions.get(split, ())) == len(labels.get(split, ())) > 0:
            raise InputError(f"task {task}: no predictions for each example of {split}; evaluate all of them")
    arrays = {s: (np.asarray(labels[s]), np.asarray(predictions[s])) for s in predictions}
    return {
        name: 100.0
        * _METRICS[name.removesuffix("_mismatched")](
            *arrays["val_mismatched" if name.endswith("_mismatched") else "val"]
        )
        for name in spec.metrics
    }


def _accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float((labels == predictions).mean())


def _f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """F1 of class 1; 0 where it is neither right nor predicted."""
    named = (labels == 1).sum() + (predictions == 1).sum()
    return float(2 * ((labels == 1) & (predictions == 1)).sum() / named) if named else 0.0


def _matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Matthews correlation of two classes; 0 where either is constant."""
    return _pearson(labels, predictions)


def _pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Pearson correlation; 0 where either side is constant."""
    x, y = (values - values.mean() for values in (labels.astype(float), predictions.astype(float)))
    norm = math.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm > 0 else 0.0


def _spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Pearson correlation of ranks, equal values sharing the mean of theirs."""
    from scipy.stats import rankdata

    return _pearson(rankdata(labels), rankdata(predictions))


_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
