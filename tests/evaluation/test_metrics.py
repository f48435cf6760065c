"""Official metrics against the authors' own numbers, and the scale of 0 to 100."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from retort.data.examples import ClozeExample, GLMExample
from retort.data.superglue import TASKS, spec_of
from retort.errors import InputError
from retort.evaluation.metrics import (
    Prediction,
    baseline,
    normalise_answer,
    predict,
    score_task,
    task_score,
    token_f1,
)

ONE = np.zeros(1, dtype=np.int32)
SEQUENCE = GLMExample(ONE, np.zeros((2, 1), dtype=np.int32), 1, ONE, ONE.astype(bool))


@pytest.fixture(scope="module")
def metrics(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "glmd" / "superglue_pvp.json").read_text(encoding="utf-8"))["metrics"]


def predictions(case: dict[str, Any], questions: list[int] | None = None) -> list[Prediction]:
    metas = [{"question": f"0/{number}"} for number in questions or [0] * len(case["label"])]
    pairs = zip(case["pred"], case["label"], metas, strict=True)
    return [Prediction(str(n), value, label, meta) for n, (value, label, meta) in enumerate(pairs)]


def example(task: str, label: int, choices: int = 0, **meta: Any) -> ClozeExample:
    if spec_of(task).head == "single":
        ids = tuple(range(len(spec_of(task).labels)))
        return ClozeExample(f"{task}/val/0", (SEQUENCE,), label, ids, meta)
    return ClozeExample(f"{task}/val/0", (SEQUENCE,) * choices, label, None, meta)


def test_accuracy(metrics: dict[str, Any]) -> None:
    for case in metrics["accuracy"]:
        for task in ("BoolQ", "CB", "COPA", "RTE", "WiC", "WSC"):
            assert score_task(task, predictions(case))["accuracy"] == pytest.approx(case["value"])


def test_cb_macro_f1_averages_the_classes_that_occur(metrics: dict[str, Any]) -> None:
    for case in metrics["cb_f1_macro"]:
        assert score_task("CB", predictions(case))["f1"] == pytest.approx(100 * case["value"])


def test_multirc(metrics: dict[str, Any]) -> None:
    for case in metrics["multirc_f1a"]:
        assert score_task("MultiRC", predictions(case))["f1a"] == pytest.approx(100 * case["value"])
    for case in metrics["multirc_em"]:
        found = score_task("MultiRC", predictions(case, case["question_idx"]))["em"]
        assert found == pytest.approx(100 * case["value"])


def test_multirc_questions_of_two_passages_stay_apart() -> None:
    two = [
        Prediction("a", 1, 1, {"question": "0/0"}),
        Prediction("b", 1, 0, {"question": "1/0"}),
    ]
    assert score_task("MultiRC", two)["em"] == 50.0


def test_record(metrics: dict[str, Any]) -> None:
    for case in metrics["record"]:
        items = [
            predict(
                "ReCoRD",
                example("ReCoRD", 0, len(texts), candidates=texts, answers=answers),
                [float(number == best) for number in range(len(texts))],
            )
            for texts, answers, best in zip(case["candidates"], case["answers"], case["pred"], strict=True)
        ]
        scores = score_task("ReCoRD", items)
        assert (scores["f1"], scores["em"]) == pytest.approx((case["f1"], case["em"]))


def test_answer_texts(metrics: dict[str, Any]) -> None:
    for text, normalised in metrics["normalize_answer"]:
        assert normalise_answer(text) == normalised
    for prediction, answer, value in metrics["token_f1"]:
        assert token_f1(prediction, answer) == pytest.approx(value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_token_f1_is_symmetric_and_bounded(left: str, right: str) -> None:
    value = token_f1(left, right)
    assert 0 <= value <= 1 and value == token_f1(right, left)
    assert token_f1(left, left) == float(bool(normalise_answer(left)))


def test_predict_takes_the_first_of_equal_scores() -> None:
    assert predict("RTE", example("RTE", 1), [0.5, 0.5]).value == 0
    assert predict("COPA", example("COPA", 1, 2), [-3.0, -1.0]).value == 1


def test_wsc_is_true_iff_span_one_wins() -> None:
    item = example("WSC", 1, 3)
    assert predict("WSC", item, [0.0, -1.0, -1.0]).value == 1
    assert predict("WSC", item, [-1.0, 0.0, -1.0]).value == 0
    assert predict("WSC", example("WSC", 0, 1), [-9.0]).value == 1


def test_record_prediction_is_the_text() -> None:
    item = example("ReCoRD", 0, 2, candidates=["Ann", "Bob"], answers=["Bob"])
    assert predict("ReCoRD", item, np.array([0.0, 1.0])).value == "Bob"


def test_bad_scores() -> None:
    with pytest.raises(InputError, match="RTE/val/0: 3 scores for 2 answers"):
        predict("RTE", example("RTE", 0), [0.0, 1.0, 2.0])
    with pytest.raises(InputError, match="RTE/val/0: a score is NaN"):
        predict("RTE", example("RTE", 0), [0.0, float("nan")])
    with pytest.raises(InputError, match="no predictions"):
        score_task("RTE", [])


@pytest.mark.parametrize("task", TASKS)
def test_perfect_predictions_score_100(task: str) -> None:
    meta = {"question": "0/0", "answers": ["x"]}
    right: int | str = "x" if task == "ReCoRD" else 1
    scores = score_task(task, [Prediction("k", right, 1, meta)] * 2)
    assert tuple(scores) == spec_of(task).metrics
    assert set(scores.values()) == {100.0}


def test_a_score_is_the_mean_of_paired_metrics() -> None:
    assert task_score("CB", {"accuracy": 90.0, "f1": 70.0}) == 80.0
    with pytest.raises(InputError, match="task CB: metric 'f1' is missing"):
        task_score("CB", {"accuracy": 1.0})


def test_baselines() -> None:
    boolq = [example("BoolQ", label) for label in (1, 1, 1, 0)]
    assert baseline("BoolQ", boolq) == {"accuracy": 75.0}
    assert baseline("COPA", [example("COPA", 0, 2)] * 3) == {"accuracy": 50.0}
    record = [
        example("ReCoRD", 0, 2, candidates=["Ann Lee", "Bob"], answers=["Ann Lee"]),
        example("ReCoRD", 0, 4, candidates=["Ann", "Ann Lee", "C", "D"], answers=["Ann Lee"]),
    ]
    scores = baseline("ReCoRD", record)
    assert scores["em"] == pytest.approx(100 * (1 / 2 + 1 / 4) / 2)
    assert scores["f1"] == pytest.approx(100 * (1 / 2 + (1 + 2 / 3) / 4) / 2)
    cb = baseline("CB", [example("CB", label) for label in (0, 0, 1, 2)])
    assert cb == pytest.approx({"accuracy": 50.0, "f1": 100 * (2 / 3) / 3})
    multirc = [example("MultiRC", label, question=f"0/{n}") for n, label in enumerate((1, 0, 0))]
    assert baseline("MultiRC", multirc) == pytest.approx({"f1a": 50.0, "em": 100 / 3})
    with pytest.raises(InputError, match="no examples"):
        baseline("BoolQ", [])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_f1_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, values = zip(*pairs, strict=True)
    found = score_task("CB", [Prediction(str(i), v, y) for i, (y, v) in enumerate(pairs)])
    assert found["f1"] == pytest.approx(100 * f1_score(labels, values, average="macro", zero_division=0))
    binary = [(min(y, 1), min(v, 1)) for y, v in pairs]
    items = [Prediction(str(i), v, y, {"question": i}) for i, (y, v) in enumerate(binary)]
    expected = f1_score([y for y, _ in binary], [v for _, v in binary], zero_division=0)
    assert score_task("MultiRC", items)["f1a"] == pytest.approx(100 * expected)
