import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.claims.tallies import metrics_of, read_predictions, tally, task_scores
from retort.data.superglue.tasks import TASKS, spec_of
from retort.errors import InputError
from retort.evaluation.metrics import Prediction, score_task, task_score

WORDS = ("the Cat", "cat", "a dog", "dog house", "", "Élan")


def predictions_of(task, choices):
    """One prediction for each pair of numbers; MultiRC: three answers a question, two questions a passage."""
    found = []
    classes = len(spec_of(task).labels) or 2
    for number, (value, label) in enumerate(choices):
        key = f"{task}/val/{number}"
        if task == "MultiRC":
            key = f"{task}/val/{number // 6}/{number // 3}/{number}"
            meta = {"question": f"{number // 6}/{number // 3}"}
            found.append(Prediction(key, value % 2, label % 2, meta))
        elif task == "ReCoRD":
            answers = (WORDS[label % 6], WORDS[(label + 1) % 6])
            key = f"{task}/val/{number // 2}/{number}"
            found.append(Prediction(key, WORDS[value % 6], 0, {"answers": answers}))
        else:
            found.append(Prediction(key, value % classes, label % classes, {}))
    return found


def regrouped(predictions):
    """As they come from a file of predictions, where the question is in the key."""
    return [
        Prediction(p.key, p.value, p.label, {"question": p.key.rpartition("/")[0]} | dict(p.meta))
        for p in predictions
    ]


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=30))
def test_without_resampling_metrics_are_the_official_ones(task, choices):
    predictions = predictions_of(task, choices)
    sums = tally(task, regrouped(predictions)).sum(0)
    official = score_task(task, predictions)
    assert {name: float(value) for name, value in metrics_of(task, sums).items()} == pytest.approx(official)
    assert float(task_scores(task, sums)) == pytest.approx(task_score(task, official))


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=6, max_size=30),
    st.randoms(use_true_random=False),
)
def test_a_resample_scores_as_its_records_written_out(task, choices, random):
    """Repeated records are repeated whole, with questions of their own."""
    predictions = regrouped(predictions_of(task, choices))
    records = list(dict.fromkeys(p.key.split("/")[2] for p in predictions))
    counts = [random.randint(0, 2) for _ in records]
    written = [
        Prediction(p.key, p.value, p.label, dict(p.meta) | {"question": f"{p.meta['question']}#{copy}"})
        for record, count in zip(records, counts, strict=True)
        for copy in range(count)
        for p in predictions
        if p.key.split("/")[2] == record
    ]
    if written:
        scores = metrics_of(task, np.array(counts, dtype=float) @ tally(task, predictions))
        assert {k: float(v) for k, v in scores.items()} == pytest.approx(score_task(task, written))


def test_leading_axes_are_kept():
    sums = np.arange(12.0).reshape(2, 3, 2) + 1
    assert task_scores("RTE", sums).shape == (2, 3)


def test_a_passage_is_one_record():
    assert len(tally("MultiRC", regrouped(predictions_of("MultiRC", [(1, 1)] * 12)))) == 2
    assert len(tally("ReCoRD", predictions_of("ReCoRD", [(1, 1)] * 12))) == 6


def test_predictions_are_read_with_what_the_metrics_ask(tmp_path):
    path = tmp_path / "predictions.jsonl"
    lines = [
        {"key": "ReCoRD/val/3/1", "prediction": "cat", "label": ["the cat", "dog"], "scores": [0.1]},
        {"key": "ReCoRD/val/3/2", "prediction": "cow", "label": ["ox"], "scores": [0.1]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert score_task("ReCoRD", read_predictions("ReCoRD", path)) == {"em": 50.0, "f1": 50.0}


@pytest.mark.parametrize(
    "line", ["{", "3", '{"key": "RTE/val/1"}', '{"key": "1", "prediction": 1, "label": 1}']
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"key": "RTE/val/0", "prediction": 1, "label": 1}\n' + line + "\n")
    with pytest.raises(InputError, match=r"predictions.jsonl:2: not a prediction; run the stage again"):
        read_predictions("RTE", path)
