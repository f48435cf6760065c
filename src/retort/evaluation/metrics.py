"""The official SuperGLUE metrics, all on a scale of 0 to 100, and the score they are averaged into.

The authors' tools mix scales (accuracy and ReCoRD in percent; F1a, EM of MultiRC and macro-F1 of CB
between 0 and 1). Here every metric is a percentage: the official fraction times 100.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retort.data.examples import ClozeExample
from retort.data.superglue.tasks import spec_of
from retort.errors import InputError


@dataclass(frozen=True)
class Prediction:
    """One prediction as the metrics want it.

    Attributes:
        key: key of the example.
        value: class index (for COPA the choice), or for ReCoRD the entity text.
        label: the right class index (unused for ReCoRD, whose right texts are ``meta["answers"]``).
        meta: the example's ``meta``.
    """

    key: str
    value: int | str
    label: int
    meta: Mapping[str, Any] = field(default_factory=dict)


def predict(task: str, example: ClozeExample, scores: Sequence[float]) -> Prediction:
    """Turn the model's scores of one example into a prediction.

    The highest score wins, the first of equal ones. WSC: true (1) iff span 1, the first candidate, wins.
    ReCoRD: the text of the winning entity.

    Args:
        task: official task name.
        example: a validation example.
        scores: one score per class or candidate; scores of padded candidates cut off.

    Raises:
        InputError: the number of scores is not that of the classes or candidates, or a score is NaN.
    """
    expected = len(example.candidates) if example.verbalizers is None else len(example.verbalizers)
    if len(scores) != expected:
        raise InputError(f"example {example.key}: {len(scores)} scores for {expected} answers")
    values = [float(score) for score in scores]
    if any(value != value for value in values):
        raise InputError(f"example {example.key}: a score is NaN; the model has diverged")
    best = max(range(expected), key=values.__getitem__)
    value: int | str = best
    if task == "WSC":
        value = int(best == 0)
    elif task == "ReCoRD":
        value = example.meta["candidates"][best]
    return Prediction(example.key, value, example.label, example.meta)


def score_task(task: str, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Official metrics of one task, in percent, under the names of ``spec_of(task).metrics``.

    Args:
        task: official task name.
        predictions: one per validation example.

    Raises:
        InputError: unknown task or no predictions.
    """
    names = spec_of(task).metrics
    if not predictions:
        raise InputError(f"task {task}: no predictions to score")
    return {name: 100.0 * _METRICS[task, name](predictions) for name in names}


def task_score(task: str, metrics: Mapping[str, float]) -> float:
    """One number per task: the mean of its official metrics.

    Raises:
        InputError: a metric of the task is missing.
    """
    names = spec_of(task).metrics
    missing = [name for name in names if name not in metrics]
    if missing:
        raise InputError(f"task {task}: metric {missing[0]!r} is missing; it has {sorted(metrics)}")
    return sum(metrics[name] for name in names) / len(names)


def baseline(task: str, examples: Sequence[ClozeExample]) -> dict[str, float]:
    """What a model that knows nothing scores on these examples, in percent.

    Tasks with fixed classes: the best constant class, by the task's mean metric, the lower class on ties.
    COPA and ReCoRD: the expected score of a uniformly drawn candidate.

    Raises:
        InputError: unknown task or no examples.
    """
    spec = spec_of(task)
    if not examples:
        raise InputError(f"task {task}: no examples to compute a baseline from")
    if task == "COPA":
        return {"accuracy": 100.0 * sum(1 / len(example.candidates) for example in examples) / len(examples)}
    if task == "ReCoRD":
        return {
            name: 100.0 * sum(_expected_match(example, name) for example in examples) / len(examples)
            for name in spec.metrics
        }
    constants = [
        score_task(task, [Prediction(item.key, value, item.label, item.meta) for item in examples])
        for value in range(len(spec.labels))
    ]
    return max(constants, key=lambda metrics: task_score(task, metrics))


def normalise_answer(text: str) -> str:
    """SQuAD's normalisation after transliteration to ASCII: lower case, no punctuation, no articles."""
    from unidecode import unidecode

    text = unidecode(text).lower()
    text = "".join(character for character in text if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def token_f1(prediction: str, answer: str) -> float:
    """F1 of the normalised words of two texts, 0 where they share none (also where both are empty)."""
    predicted, right = normalise_answer(prediction).split(), normalise_answer(answer).split()
    shared = sum((Counter(predicted) & Counter(right)).values())
    return 2 * shared / (len(predicted) + len(right)) if shared else 0.0


def exact_match(prediction: str, answer: str) -> float:
    """1 where two texts are equal after normalisation, else 0."""
    return float(normalise_answer(prediction) == normalise_answer(answer))


_TEXT_METRICS: dict[str, Callable[[str, str], float]] = {"f1": token_f1, "em": exact_match}


def _best_match(name: str) -> Callable[[Sequence[Prediction]], float]:
    """Mean over queries of the best match with any right answer."""

    def metric(predictions: Sequence[Prediction]) -> float:
        match = _TEXT_METRICS[name]
        best = [
            max(match(str(item.value), answer) for answer in item.meta["answers"]) for item in predictions
        ]
        return sum(best) / len(best)

    return metric


def _expected_match(example: ClozeExample, name: str) -> float:
    match, texts = _TEXT_METRICS[name], example.meta["candidates"]
    return sum(max(match(text, answer) for answer in example.meta["answers"]) for text in texts) / len(texts)


def _accuracy(predictions: Sequence[Prediction]) -> float:
    return sum(item.value == item.label for item in predictions) / len(predictions)


def _class_f1(predictions: Sequence[Prediction], label: int) -> float:
    """F1 of one class; 0 where it is neither right nor predicted."""
    hits = sum(item.value == label == item.label for item in predictions)
    named = sum((item.value == label) + (item.label == label) for item in predictions)
    return 2 * hits / named if named else 0.0


def _binary_f1(predictions: Sequence[Prediction]) -> float:
    return _class_f1(predictions, 1)


def _macro_f1(predictions: Sequence[Prediction]) -> float:
    """Mean F1 of the classes that occur in labels or predictions (the rule of scikit-learn, not imported)."""
    classes = {item.label for item in predictions} | {int(item.value) for item in predictions}
    return sum(_class_f1(predictions, label) for label in classes) / len(classes)


def _question_em(predictions: Sequence[Prediction]) -> float:
    """Share of questions with every answer judged right."""
    questions: dict[str, bool] = {}
    for item in predictions:
        name = item.meta["question"]
        questions[name] = questions.get(name, True) and item.value == item.label
    return sum(questions.values()) / len(questions)


_METRICS: dict[tuple[str, str], Callable[[Sequence[Prediction]], float]] = {
    **{(task, "accuracy"): _accuracy for task in ("BoolQ", "CB", "COPA", "RTE", "WiC", "WSC")},
    ("CB", "f1"): _macro_f1,
    ("MultiRC", "f1a"): _binary_f1,
    ("MultiRC", "em"): _question_em,
    ("ReCoRD", "f1"): _best_match("f1"),
    ("ReCoRD", "em"): _best_match("em"),
}
