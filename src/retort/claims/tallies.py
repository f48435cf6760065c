"""Official metrics as functions of sums over dev records, so that a resample is a matrix product."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retort.data.superglue.tasks import SPECS, spec_of
from retort.errors import InputError
from retort.evaluation.metrics import Prediction, exact_match, token_f1
from retort.files import read_text

if TYPE_CHECKING:
    import numpy as np

_CLASSES = len(SPECS["CB"].labels)


def read_predictions(task: str, path: Path) -> list[Prediction]:
    """Predictions that an evaluation wrote, with what the task's metrics ask of an example.

    Raises:
        InputError: no such file, or a line that is no prediction.
    """
    found = []
    # Texts hold U+2028, which ``splitlines`` takes for a line end.
    lines = read_text(path, "run the stage again").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            key, value, label = record["key"], record["prediction"], record["label"]
            _record(key)
        except (json.JSONDecodeError, KeyError, TypeError, IndexError, AttributeError):
            raise InputError(f"{path}:{number}: not a prediction; run the stage again") from None
        if task == "ReCoRD":
            found.append(Prediction(key, value, 0, {"answers": tuple(label)}))
        else:
            found.append(Prediction(key, value, label, {"question": key.rpartition("/")[0]}))
    return found


def tally(task: str, predictions: Sequence[Prediction]) -> np.ndarray:
    """Sums that the task's metrics are made of, for each record of the dev file.

    A record is a line of the official file: a passage with all its questions and answers, else one
    example. Records, not examples, are what can be drawn independently.

    Returns:
        float64 [records, columns], records in the order of their first prediction.

    Raises:
        InputError: unknown task.
    """
    import numpy as np

    spec_of(task)
    places: dict[str, int] = {}
    rows = [places.setdefault(_record(item.key), len(places)) for item in predictions]
    values = _COLUMNS.get(task, _accuracy_columns)(predictions)
    sums = np.zeros((len(places), values.shape[1]))
    np.add.at(sums, rows, values)
    return sums


def metrics_of(task: str, sums: np.ndarray) -> dict[str, np.ndarray]:
    """Official metrics, in percent, of summed tallies.

    Args:
        task: official task name.
        sums: float64 [..., columns], weighted sums over records.

    Returns:
        Arrays [...] under the names of ``spec_of(task).metrics``; a metric of nothing is 0.
    """
    import numpy as np

    columns = np.moveaxis(sums, -1, 0)
    if task == "ReCoRD":
        f1, em, number = columns
        return {"em": 100 * _ratio(em, number), "f1": 100 * _ratio(f1, number)}
    if task == "MultiRC":
        hits, named, whole, questions = columns
        return {"f1a": 100 * _ratio(2 * hits, named), "em": 100 * _ratio(whole, questions)}
    found = {"accuracy": 100 * _ratio(columns[0], columns[1])}
    if task == "CB":
        hits, named = columns[2 : 2 + _CLASSES], columns[2 + _CLASSES :]
        found["f1"] = 100 * _ratio(_ratio(2 * hits, named).sum(0), (named > 0).sum(0))
    return found


def task_scores(task: str, sums: np.ndarray) -> np.ndarray:
    """One number per task, the mean of its official metrics, of summed tallies [..., columns]."""
    metrics = metrics_of(task, sums)
    return sum(metrics.values()) / len(metrics)  # type: ignore[return-value]


def _record(key: str) -> str:
    """``task/split/record...``: what names the line of the dev file."""
    return key.split("/")[2]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator > 0)


def _accuracy_columns(predictions: Sequence[Prediction]) -> np.ndarray:
    """Right, all."""
    import numpy as np

    right = np.array([item.value == item.label for item in predictions], dtype=float)
    return np.stack([right, np.ones_like(right)], axis=1)


def _class_columns(predictions: Sequence[Prediction]) -> np.ndarray:
    """Right, all, then for each class: hits, and times that it is predicted or right."""
    import numpy as np

    values = np.array([int(item.value) for item in predictions])[:, None]
    labels = np.array([item.label for item in predictions])[:, None]
    classes = np.arange(_CLASSES)
    hits = (values == classes) & (labels == classes)
    named = (values == classes).astype(float) + (labels == classes)
    return np.concatenate([_accuracy_columns(predictions), hits, named], axis=1)


def _question_columns(predictions: Sequence[Prediction]) -> np.ndarray:
    """Hits and mentions of the right class; questions answered without mistake, questions."""
    import numpy as np

    values = np.array([int(item.value) for item in predictions])
    labels = np.array([item.label for item in predictions])
    questions = [item.meta["question"] for item in predictions]
    last = {question: place for place, question in enumerate(questions)}
    wrong = {q for q, bad in zip(questions, values != labels, strict=True) if bad}
    ends = np.zeros((len(predictions), 2))
    for question, place in last.items():
        ends[place] = (question not in wrong, 1)
    hits = (values == 1) & (labels == 1)
    return np.column_stack([hits, (values == 1).astype(float) + (labels == 1), ends])


def _text_columns(predictions: Sequence[Prediction]) -> np.ndarray:
    """Best F1 and best exact match with any right answer, all."""
    import numpy as np

    return np.array([(*_best_match(str(p.value), p.meta["answers"]), 1.0) for p in predictions])


@functools.cache
def _best_match(text: str, answers: tuple[str, ...]) -> tuple[float, float]:
    """Cached, because most students give the same answer to a query."""
    return (
        max(token_f1(text, answer) for answer in answers),
        max(exact_match(text, answer) for answer in answers),
    )


_COLUMNS = {"CB": _class_columns, "MultiRC": _question_columns, "ReCoRD": _text_columns}
