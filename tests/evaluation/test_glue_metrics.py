"""GLUE metrics against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from retort.data.glue.tasks import TASKS, spec_of
from retort.errors import InputError
from retort.evaluation.glue_metrics import glue_prediction, score_glue

binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)
scores = st.lists(st.tuples(st.integers(0, 25), st.floats(-3, 8, width=16)), min_size=2, max_size=40)


def score(task, pairs):
    labels, predictions = zip(*pairs, strict=True)
    return score_glue(task, {"val": predictions}, {"val": labels})


@pytest.mark.filterwarnings("ignore:A single label was found")
@given(binary)
def test_binary_metrics_equal_scikit_learn(pairs):
    labels, predictions = zip(*pairs, strict=True)
    accuracy, f1 = sk.accuracy_score(labels, predictions), sk.f1_score(labels, predictions, zero_division=0)
    assert score("CoLA", pairs) == {
        "matthews": pytest.approx(100 * sk.matthews_corrcoef(labels, predictions))
    }
    assert score("MRPC", pairs) == {"f1": pytest.approx(100 * f1), "accuracy": pytest.approx(100 * accuracy)}
    assert score("SST-2", pairs) == {"accuracy": pytest.approx(100 * accuracy)}


@given(scores)
def test_correlations_equal_scipy(pairs):
    labels, predictions = (np.array(values, float) for values in zip(*pairs, strict=True))
    found = score("STS-B", pairs)
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        assert found == {"pearson": 0, "spearman": 0}
    else:
        assert found["pearson"] == pytest.approx(100 * stats.pearsonr(labels, predictions)[0], abs=1e-6)
        assert found["spearman"] == pytest.approx(100 * stats.spearmanr(labels, predictions)[0], abs=1e-6)


def test_mnli_reports_both_genres():
    right = {"val": [0, 1, 2, 2], "val_mismatched": [0, 1]}
    found = score_glue("MNLI", {"val": [0, 1, 2, 0], "val_mismatched": [1, 1]}, right)
    assert found == {"accuracy": 75.0, "accuracy_mismatched": 50.0}
    with pytest.raises(InputError, match="MNLI: no predictions for each example of val_mismatched"):
        score_glue("MNLI", {"val": [0]}, {"val": [0], "val_mismatched": [0]})


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_of_every_task_is_100_when_all_is_right(task):
    labels = [0.0, 2.5, 5.0] if task == "STS-B" else [0, 1, 1]
    splits = {split: labels for split in spec_of(task).splits if split != "train"}
    found = score_glue(task, splits, splits)
    assert tuple(found) == spec_of(task).metrics and all(v == pytest.approx(100) for v in found.values())


def test_scores_become_predictions():
    assert glue_prediction("MNLI", [0.1, 0.9, 0.9]) == 1
    assert glue_prediction("STS-B", [3.25]) == 3.25
    with pytest.raises(InputError, match="task RTE: 3 scores for 2 answers"):
        glue_prediction("RTE", [1, 2, 3])
    with pytest.raises(InputError, match="a score is NaN; the model has diverged"):
        glue_prediction("RTE", [float("nan"), 1])
