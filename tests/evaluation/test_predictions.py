"""Scoring dev: every example once, in its own order, whatever the batches; halves that never mix."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.data.examples import ClozeExample, GLMExample
from retort.errors import InputError
from retort.evaluation import predictions as module
from retort.evaluation.predictions import evaluate, halves, write_predictions
from retort.models.features import CLASS

CPU = torch.device("cpu")


def row(length, value):
    tokens = np.full(length, value, np.int32)
    return GLMExample(tokens, np.zeros((2, length), np.int32), 1, tokens, np.arange(length) > 0)


def example(number, count=1, verbalizers=None, label=0, **meta):
    rows = tuple(row(2 + (number * 5 + c) % 9, 1 + number) for c in range(count))
    return ClozeExample(f"X/val/{number}", rows, label, verbalizers, meta)


class Echo:
    """A model whose score for a candidate or class follows from the example's number alone."""

    def __init__(self):
        self.module = torch.nn.Linear(1, 1).train()
        self.rows = []

    def observe(self, batch, want):
        assert not self.module.training and want == {CLASS}
        self.rows.append(len(batch.tokens))
        width = batch.choices.real.shape[1]
        numbers = torch.tensor([float(key.rsplit("/", 1)[1]) for key in batch.keys])
        return {CLASS: torch.stack([numbers * (-1) ** c + c for c in range(width)], 1)}


def test_scores_come_back_in_the_examples_order_without_fillers():
    examples = [example(n, 1 + n % 4, candidates=["a", "b", "c", "d"], answers=["a"]) for n in range(30)]
    found = evaluate(Echo(), "ReCoRD", examples, CPU, False)
    for number, scores in enumerate(found.scores):
        assert scores == tuple(float(number * (-1) ** c + c) for c in range(1 + number % 4))
    assert [p.key for p in found.predictions] == [e.key for e in examples]


def test_single_token_heads_give_a_score_a_class():
    examples = [example(n, verbalizers=(5, 6, 7), label=n % 3) for n in range(5)]
    found = evaluate(Echo(), "CB", examples, CPU, False)
    assert all(len(scores) == 3 for scores in found.scores)
    assert set(found.metrics) == set(found.select) == set(found.report) == {"accuracy", "f1"}


def test_batches_stay_within_the_row_budget(monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 12)
    examples = [example(n, 1 + n % 5, candidates=list("abcde"), answers=["a"]) for n in range(40)]
    model = Echo()
    found = evaluate(model, "ReCoRD", examples, CPU, False)
    assert max(model.rows) <= 12 and len(found.scores) == 40
    # One example may need more rows than the budget: it then makes a batch by itself.
    wide = [example(n, 20, candidates=[str(c) for c in range(20)], answers=["0"]) for n in range(3)]
    assert evaluate(Echo(), "ReCoRD", wide, CPU, False).scores[0][:2] == (0.0, 1.0)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_left_as_found(training):
    model = Echo()
    model.module.train(training)
    evaluate(model, "RTE", [example(n, verbalizers=(5, 6)) for n in range(3)], CPU, False)
    assert model.module.training is training


def test_a_model_that_diverged_is_told_with_the_example():
    model = Echo()
    model.observe = lambda batch, want: {CLASS: torch.full((len(batch.keys), 2), float("nan"))}
    with pytest.raises(InputError, match="example X/val/0: a score is NaN"):
        evaluate(model, "RTE", [example(0, verbalizers=(5, 6))], CPU, False)


def test_halves_are_scored_apart():
    examples = [example(n, verbalizers=(5, 6), label=n % 2) for n in range(10)]
    model = Echo()
    model.observe = lambda batch, want: {CLASS: torch.tensor([[1.0, 0.0]] * len(batch.keys))}
    found = evaluate(model, "RTE", examples, CPU, False)  # always class 0: right on even examples
    assert (found.metrics, found.select, found.report) == (
        {"accuracy": 50.0},
        {"accuracy": 100.0},
        {"accuracy": 0.0},
    )


@given(st.lists(st.integers(0, 8), min_size=2, max_size=40))
def test_halves_cover_everything_and_keep_questions_together(questions):
    examples = [SimpleNamespace(meta={"question": f"q{number}"}) for number in questions]
    first, second = halves(examples)
    if len(set(questions)) > 1:
        assert sorted(first + second) == list(range(len(questions)))
        assert not {questions[i] for i in first} & {questions[i] for i in second}
    else:
        assert first == second == list(range(len(questions)))


def test_examples_without_questions_alternate():
    first, second = halves([SimpleNamespace(meta={}) for _ in range(5)])
    assert (first, second) == ([0, 2, 4], [1, 3])


def test_predictions_are_written_a_line_each(tmp_path):
    examples = [example(n, 2, candidates=["a", "Zürich"], answers=["Zürich", "c"]) for n in range(3)]
    write_predictions(tmp_path / "p.jsonl", evaluate(Echo(), "ReCoRD", examples, CPU, False))
    text = (tmp_path / "p.jsonl").read_text(encoding="utf-8")
    assert "Zürich" in text  # readable, not escaped
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["key"] for record in records] == ["X/val/0", "X/val/1", "X/val/2"]
    assert records[0] == {
        "key": "X/val/0",
        "prediction": "Zürich",
        "label": ["Zürich", "c"],
        "scores": [0.0, 1.0],
    }
    single = [example(4, verbalizers=(5, 6), label=1)]
    write_predictions(tmp_path / "s.jsonl", evaluate(Echo(), "RTE", single, CPU, False))
    assert json.loads((tmp_path / "s.jsonl").read_text()) == {
        "key": "X/val/4",
        "prediction": 0,
        "label": 1,
        "scores": [4.0, -3.0],
    }
