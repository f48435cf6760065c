"""How long texts are: measured on encoded ones, expected where there are none."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from retort.config import load
from retort.costs.sizes import expected_sizes, sizes_of
from retort.costs.text_sizes import Lengths, WordsSize, official, text_sizes
from retort.data.prompt_examples import PromptExample, save_prompts
from retort.data.text_examples import ClassExample, PairExample, save_texts
from retort.files import write_json
from retort.plan import Plan
from retort.texts import text_part

ROWS = 40


@pytest.fixture
def plan(tmp_path):
    return Plan(load("smoke", {"papers": ["cka", "atkd"]}), tmp_path)


def rows(rng, least, most):
    return [np.arange(rng.randint(least, most), dtype=np.int32) for _ in range(ROWS)]


def encoded(plan, paper, *names):
    folder = plan.layout.text(plan.text[text_part(paper, *names)])
    folder.mkdir(parents=True)
    return folder


def longest(texts):
    """Mean of the longest of each 16."""
    return np.mean([max(map(len, texts[i : i + 16])) for i in range(0, len(texts), 16)])


def measured(plan, paper, *names):
    return text_sizes(plan.config, plan.layout)[0][plan.text[text_part(paper, *names)]]


def test_pairs_are_measured(plan):
    rng = Random(1)
    sources, targets = rows(rng, 5, 30), rows(rng, 2, 9)
    folder = encoded(plan, "cka", "bart", "XSum")
    pairs = [PairExample(str(i), s, t, ("",)) for i, (s, t) in enumerate(zip(sources, targets, strict=True))]
    save_texts(folder, "train", pairs)
    save_texts(folder, "val", pairs[:7])
    write_json(folder / "summary.json", {})
    found = measured(plan, "cka", "bart", "XSum")
    assert (found.train, found.dev) == (ROWS, 7)
    assert found.source == Lengths(np.mean([*map(len, sources)]), longest(sources))
    assert found.target == Lengths(np.mean([*map(len, targets)]), longest(targets))


def test_all_dev_files_of_a_classification_count(plan):
    texts = rows(Random(2), 5, 30)
    examples = [ClassExample(str(i), text, 2, i % 3) for i, text in enumerate(texts)]
    folder = encoded(plan, "cka", "bert", "MNLI")
    for split, count in (("train", ROWS), ("val", 5), ("val_mismatched", 6)):
        save_texts(folder, split, examples[:count])
    write_json(folder / "summary.json", {})
    found = measured(plan, "cka", "bert", "MNLI")
    assert (found.train, found.dev, found.target.mean) == (ROWS, 11, 0)
    assert found.source.longest == longest(texts)


def test_prompts_are_measured_set_by_set(plan):
    rng = Random(3)
    folder = encoded(plan, "atkd", "opt", "instructions")
    lengths = {}
    for name, count in (("alpaca_gpt4", ROWS), ("dolly", 9), ("bbh", 8)):
        prompts, responses = rows(rng, 5, 60), rows(rng, 1, 20)
        examples = [
            PromptExample(str(i), prompts[i], responses[i], ("",), None) for i in range(min(count, ROWS))
        ]
        save_prompts(folder, name, examples)
        lengths[name] = [len(one.prompt) for one in examples]
    write_json(folder / "summary.json", {})
    found = measured(plan, "atkd", "opt", "instructions")
    assert (found.train, found.dev) == (ROWS, 17) and found.source.mean == np.mean(lengths["alpaca_gpt4"])
    assert {name: one.dev for name, one in found.sets.items()} == {"dolly": 9, "bbh": 8}
    assert found.sets["bbh"].prompt.mean == np.mean(lengths["bbh"])


def test_words_are_measured_and_the_rest_is_expected(plan):
    name = plan.text[text_part("cka", "t5")]
    folder = encoded(plan, "cka", "t5")
    write_json(folder / "summary.json", {"vocabulary": 333, "documents": 3, "tokens": 75})
    (folder / "corpus" / "en").mkdir(parents=True)
    np.save(folder / "corpus" / "en" / "offsets.npy", np.array([0, 10, 50, 75]))
    found, expected = sizes_of(plan), expected_sizes(plan.config)
    assert found.text_words[name] == WordsSize(333, 3, 75, (10, 40, 25)) != expected.text_words[name]
    assert found.texts == expected.texts and found.all_tokens < expected.all_tokens
    assert found.text_words[name].sample(30) == Lengths(np.mean([12, 30, 27]), 30)


def test_the_web_s_documents_are_of_all_lengths(tmp_path):
    words = expected_sizes(load("paper", {"papers": ["cka"]})).text_words
    lengths = [size.sample(10**9) for size in words.values()]
    assert all(450 < each.mean < 500 and each.longest > 3 * each.mean for each in lengths)
    short = [size.sample(512) for size in words.values()]
    assert all(200 < each.mean < 350 and each.longest > 500 for each in short)


def test_official_sizes_are_cut_by_limits_and_lengths(tmp_path):
    limits = {"train": 1000, "dev": 50, "corpus": None}
    config = load("paper", {"papers": ["cka"], "cka": {"limits": limits}})
    tasks, words = text_sizes(config)
    by_part = {part: tasks[name] for part, name in Plan(config, tmp_path).text.items() if name in tasks}
    xsum = by_part["cka-bart-XSum"]
    assert (xsum.train, xsum.dev) == (1000, 50) and xsum.source.mean == official()["XSum"][2]
    assert by_part["cka-t5-XSum"].source.longest == 512 < xsum.source.longest <= 1024
    assert all(size.source.mean <= size.source.longest for size in tasks.values())
    assert {size.rows for size in words.values()} == {30522, 50265, 250054, 32128}


@pytest.mark.parametrize("padding", ["longest", "fixed"])
def test_rows_are_padded_to_the_longest_or_to_the_limit(padding):
    lengths = Lengths(20.0, 30.0)
    assert lengths.padded(64, padding) == (64 if padding == "fixed" else 30)
    assert lengths.padded(25, padding) == 25
