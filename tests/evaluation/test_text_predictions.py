"""Evaluations keep examples and scores together, and the halves of a dev set apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from retort.data.layouts import layout_of, specials_of
from retort.data.text_examples import ClassExample, PairExample
from retort.data.text_tokenizer import TextTokenizer
from retort.evaluation import text_predictions
from retort.evaluation.decoding import Decoding
from retort.evaluation.glue_metrics import score_glue
from retort.evaluation.text_predictions import evaluate_classes, evaluate_pairs, write_classes, write_texts
from retort.models.features import CLASS

LAYOUT = layout_of("bert", TextTokenizer.train(["a b"], 40, specials_of("bert")))
CPU = torch.device("cpu")


class Reader:
    """A model whose scores say what it read: the first word is the class that it finds."""

    def __init__(self, outputs):
        self.module = torch.nn.Linear(1, 1)
        self.outputs = outputs

    def observe(self, batch, want):
        assert want == {CLASS} and not self.module.training and not torch.is_grad_enabled()
        first = batch.tokens[:, 0]
        if self.outputs == 1:
            return {CLASS: first[:, None].float() / 4}
        return {CLASS: torch.nn.functional.one_hot(first, self.outputs).float()}


def examples(answers, labels, split="val"):
    return [
        ClassExample(f"T/{split}/{n}", np.array([answer, *[7] * (n * 5 % 9)], np.int32), 1, label)
        for n, (answer, label) in enumerate(zip(answers, labels, strict=True))
    ]


def test_every_example_gets_its_own_scores_whatever_its_length(tmp_path):
    rng = np.random.default_rng(0)
    answers, labels = rng.integers(0, 2, 300).tolist(), rng.integers(0, 2, 300).tolist()
    family, splits = Reader(2), {"val": examples(answers, labels)}
    found = evaluate_classes(family, "RTE", splits, LAYOUT, CPU)
    assert found.predictions == {"val": answers} and found.labels == {"val": labels}
    assert found.metrics == score_glue("RTE", {"val": answers}, {"val": labels})
    assert found.select == score_glue("RTE", {"val": answers[::2]}, {"val": labels[::2]})
    assert found.report == score_glue("RTE", {"val": answers[1::2]}, {"val": labels[1::2]})
    assert family.module.training
    write_classes(tmp_path / "p.jsonl", found, splits)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().split("\n")[:-1]]
    assert [line["prediction"] for line in lines] == answers
    assert lines[3] == {
        "key": "T/val/3",
        "prediction": answers[3],
        "label": labels[3],
        "scores": [1.0 - answers[3], float(answers[3])],
    }


def test_regressions_and_two_genres():
    found = evaluate_classes(Reader(1), "STS-B", {"val": examples([1, 8, 20], [0.5, 2.0, 5.0])}, LAYOUT, CPU)
    assert found.predictions == {"val": [0.25, 2.0, 5.0]} and found.metrics["spearman"] == pytest.approx(100)
    splits = {"val": examples([0, 1], [0, 2]), "val_mismatched": examples([2, 2], [2, 2], "val_mismatched")}
    found = evaluate_classes(Reader(3), "MNLI", splits, LAYOUT, CPU)
    assert found.metrics == {"accuracy": 50.0, "accuracy_mismatched": 100.0}
    assert (found.select["accuracy"], found.report["accuracy"]) == (100.0, 0.0)


def test_generated_texts_are_scored_on_halves_too(monkeypatch, tmp_path):
    pairs = [PairExample(f"k{n}", np.zeros(1), np.zeros(1), ("one two three four é",)) for n in range(4)]
    told = {e.key: "one two three four é" if n % 2 == 0 else "five" for n, e in enumerate(pairs)}
    monkeypatch.setattr(text_predictions, "generate", lambda *arguments, device: told)
    found = evaluate_pairs(None, "WMT16-en-ro", pairs, LAYOUT, None, Decoding(9), CPU)
    assert found.select["bleu"] == pytest.approx(100) and found.report["bleu"] == 0
    assert 0 < found.metrics["bleu"] < 100 and found.metrics == found.scores.metrics
    write_texts(tmp_path / "t.jsonl", found, pairs)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert lines[1] == {"key": "k1", "text": "five", "references": ["one two three four é"]}
