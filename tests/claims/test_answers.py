"""Scores of resamples are those of the official metrics on the drawn examples, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_runs import TextRun, classes, metrics, texts

from retort.claims.answers import read_answers
from retort.claims.evidence import resampling
from retort.data.glue.tasks import SPECS
from retort.errors import InputError
from retort.papers import paper_of

PAPER = paper_of("cka")


def answers_of(tmp_path, task, said):
    run = TextRun(tmp_path).add("BERT CKA", task, {1: said})
    (path,) = run.root.glob("stages/*/tasks/*/predictions.jsonl")
    return read_answers(task, PAPER.task(task), path)


def drawn(said, weights):
    """The examples of a draw, each as often as it is drawn."""
    return [item for item, weight in zip(said, weights, strict=True) for _ in range(int(weight))]


@pytest.mark.parametrize("task", [task for task in SPECS if task not in ("STS-B", "MNLI")])
def test_classes_are_scored_as_written_out(tmp_path, task):
    said = classes(3, 0.6, number=25)
    weights = resampling(1, (25,), 60)
    found = answers_of(tmp_path, task, said).scores(weights)
    official = [PAPER.task(task).score(metrics(task, drawn(said, row))) for row in weights]
    assert found == pytest.approx(official)


def test_of_mnli_the_matched_half_counts(tmp_path):
    said = classes(3, 0.6, number=40, count=3)
    answers = answers_of(tmp_path, "MNLI", said)
    weights = resampling(1, (20,), 40)
    official = [metrics("SST-2", drawn(said[:20], row))["accuracy"] for row in weights]
    assert answers.records == 20 and answers.scores(weights) == pytest.approx(official)
    assert answers.scores(np.ones((1, 20)))[0] == pytest.approx(metrics("MNLI", said)["accuracy"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=20))
def test_ranks_with_ties_are_those_of_the_draw(tmp_path_factory, pairs):
    said = [(value / 2, label / 2) for value, label in pairs]
    weights = resampling(2, (len(said),), 30)
    found = answers_of(tmp_path_factory.mktemp("x"), "STS-B", said).scores(weights)
    official = [metrics("STS-B", drawn(said, row))["spearman"] for row in weights]
    assert found == pytest.approx(official, abs=1e-7)


def test_many_draws_are_ranked_in_parts(tmp_path, monkeypatch):
    said = [(float(value), label / 3) for value, label in classes(5, 0.5, number=30, count=6)]
    answers, weights = answers_of(tmp_path, "STS-B", said), resampling(2, (30,), 50)
    whole = answers.scores(weights)
    monkeypatch.setattr("retort.claims.answers._CHUNK", 70)
    assert (answers.scores(weights) == whole).all()


@pytest.mark.parametrize(("task", "metric"), [("XSum", "rouge2"), ("WMT16-en-ro", "bleu")])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 1.0])
def test_texts_are_scored_as_written_out(tmp_path, task, metric, kept):
    said = texts(1, kept, number=12)
    weights = resampling(4, (12,), 40)
    found = answers_of(tmp_path, task, said).scores(weights)
    assert found == pytest.approx([metrics(task, drawn(said, row))[metric] for row in weights])


@pytest.mark.parametrize("said", ["", "cat", "cat the", "the a cat dog bird"])
def test_texts_that_are_short_or_empty(tmp_path, said):
    """No words, no match of some order, fewer words than the longest n-grams."""
    rows = [(said, ["the a cat dog bird sat"]), (said, ["a tree"])]
    for task, metric in (("XSum", "rouge2"), ("WMT16-en-ro", "bleu")):
        found = answers_of(tmp_path / task, task, rows).scores(np.ones((1, 2)))[0]
        assert found == pytest.approx(metrics(task, rows)[metric])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "2: not a prediction; run the stage again"),
        ('{"key": "RTE/val/1", "prediction": 1}', "2: not a prediction; run the stage again"),
        ('{"key": "1", "prediction": 1, "label": 1}', "2: not a prediction; run the stage again"),
        ('{"key": "RTE/val/1", "prediction": "x", "label": 1}', "2: not a prediction of this kind of task"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"key": "RTE/val/0", "prediction": 1, "label": 1}\n' + line + "\n")
    with pytest.raises(InputError, match=f"predictions.jsonl:{message}"):
        read_answers("RTE", PAPER.task("RTE"), path)


def test_nothing_predicted(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text("")
    for task in ("RTE", "XSum"):
        with pytest.raises(InputError, match="predictions.jsonl: no "):
            read_answers(task, PAPER.task(task), path)
