"""Evaluations keep responses, scores and halves together."""

from __future__ import annotations

import json
from dataclasses import replace

import torch
from causal_models import model_of, prompts_of, setup

from retort.evaluation.completion import complete
from retort.evaluation.decoding import Sampling
from retort.evaluation.prompt_predictions import evaluate_prompts, write_responses
from retort.evaluation.response_metrics import distinct

CPU = torch.device("cpu")


def evaluated(name="dolly", **rest):
    tokenizer, layout = setup("opt")
    model = model_of("opt", tokenizer, layout)
    examples = [
        replace(e, group="xy"[n % 2], answer="one") for n, e in enumerate(prompts_of(tokenizer, layout, 9))
    ]
    settings = Sampling(8, 9.0)
    found = evaluate_prompts(model, name, examples, layout, tokenizer, settings, CPU, **rest)
    ids = complete(model, examples, layout, settings, device=CPU, seed=rest.get("seed", 0))
    return tokenizer, layout, examples, found, ids


def test_responses_texts_and_scores_belong_together():
    tokenizer, layout, examples, found, ids = evaluated()
    assert list(found.responses.items()) == [(e.key, row) for e, row in zip(examples, ids, strict=True)]
    assert found.texts == {key: tokenizer.text(row) for key, row in found.responses.items()}
    ended = [row[-1] == layout.end for row in ids]
    assert found.scores.contributions["ends"][:, 0].tolist() == ended and 0 < sum(ended) < len(ended)
    assert found.metrics["ends"] == 100 * sum(ended) / len(ended)
    assert evaluated(seed=4)[3].texts != found.texts


def test_halves_are_every_other_example():
    _, _, examples, found, _ = evaluated()
    texts = [found.texts[e.key] for e in examples]
    for half, metrics in ((slice(0, None, 2), found.select), (slice(1, None, 2), found.report)):
        assert metrics["distinct2"] == distinct(texts[half], 2)
        right = found.scores.on(range(len(examples))[half])
        assert {name: metrics[name] for name in right} == right
    assert found.metrics["distinct1"] == distinct(texts, 1) and found.select != found.report


def test_sets_that_average_over_sub_tasks_do():
    assert evaluated("bbh")[3].scores.by_group and not evaluated("mmlu")[3].scores.by_group


def test_responses_on_disk(tmp_path):
    _, layout, examples, found, _ = evaluated()
    write_responses(tmp_path / "r.jsonl", found, examples)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().split("\n")[:-1]]
    assert [line["key"] for line in lines] == [e.key for e in examples]
    for line, example in zip(lines, examples, strict=True):
        ids = found.responses[example.key]
        assert line == {
            "key": example.key,
            "text": found.texts[example.key],
            "tokens": len(ids),
            "ended": ids[-1] == layout.end,
            "references": list(example.references),
            "answer": "one",
            "group": example.group,
        }
