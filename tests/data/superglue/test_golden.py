"""The eight tasks against what the GLMD authors' own code made of the same records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retort.data.superglue import TASKS, spec_of
from retort.data.superglue.encode import encode_task, verbalizer_ids
from retort.data.superglue.instances import NEGATIVES, RawExample, load_task
from retort.data.superglue.patterns import MASK, Part, fill
from retort.data.tokenizer import Tokenizer

SPLITS = (("train", "train"), ("val", "dev"))
CASES = [(task, split, theirs) for task in TASKS for split, theirs in SPLITS]
ENCODED = [case for case in CASES if case[1] == "val" or case[0] in ("ReCoRD", "WSC")]


@pytest.fixture(scope="module")
def facts(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "glmd" / "superglue_pvp.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bert(real_data: Path) -> Tokenizer:
    return Tokenizer.from_vocab(real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt")


@pytest.fixture
def load(facts: dict[str, Any], tmp_path: Path):
    """Write the golden records of a task as an official file and read them back."""

    def load(task: str, split: str) -> list[RawExample]:
        path = tmp_path / f"{task}-{split}.jsonl"
        records = facts["tasks"][task.lower()]["records"]
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        return load_task(task, path, split)

    return load


def their_examples(facts: dict[str, Any], task: str, theirs: str) -> list[dict[str, Any]]:
    pattern = str(facts["pattern_used_by_authors"][task.lower()])
    examples = facts["tasks"][task.lower()]["patterns"][pattern]["examples"]
    return [example for example in examples if example["guid"].startswith(theirs)]


def their_key(example: dict[str, Any]) -> str:
    return example["guid"].split("-", 1)[1].replace("-", "/").translate(str.maketrans("", "", "pqa"))


def our_key(task: str, split: str, key: str) -> str:
    return key.removeprefix(f"{task}/{split}/").replace("/mirrored", "m")


@pytest.mark.parametrize("task", TASKS)
def test_pattern_numbers_and_classes_are_the_authors(facts: dict[str, Any], task: str) -> None:
    spec, theirs = spec_of(task), facts["tasks"][task.lower()]
    pattern = theirs["patterns"][str(facts["pattern_used_by_authors"][task.lower()])]
    assert spec.pattern == facts["pattern_used_by_authors"][task.lower()]
    assert (spec.head == "multi") == pattern["multi_token"]
    if task != "ReCoRD":
        assert [str(label).lower() for label in theirs["labels"]] == list(spec.labels)
    if spec.head == "single":
        words = [pattern["verbalizers"][str(label)][0].strip().lower() for label in theirs["labels"]]
        assert words == list(spec.verbalizers)


@pytest.mark.parametrize(("task", "split", "theirs"), CASES)
def test_examples_are_the_authors(facts: dict[str, Any], load, task: str, split: str, theirs: str) -> None:
    expected = facts["tasks"][task.lower()]["splits"][theirs]
    found = load(task, split)
    assert len(found) == len(expected)
    for raw, example in zip(found, expected, strict=True):
        if task != "WSC":
            assert our_key(task, split, raw.key) == their_key(example)
        meta = example["meta"]
        if task == "ReCoRD":
            assert list(raw.candidates) == meta["candidates"] == raw.meta["candidates"]
            assert raw.meta["answers"] == meta["answers"]
            assert raw.candidates[raw.label] in meta["answers"]
        elif task == "WSC":
            assert list(raw.candidates) == [meta["span1_text"], *meta["candidates"]]
        else:
            labels = [str(label) for label in facts["tasks"][task.lower()]["labels"]]
            assert raw.label == labels.index(str(example["label"]))
        if task == "MultiRC":
            official = {"passage_idx": "idx", "question_idx": "question_idx", "answer_idx": "answer_idx"}
            assert all(raw.meta[ours] == meta[name] for name, ours in official.items())


@pytest.mark.parametrize("split", ["train", "val"])
def test_wsc_label_is_the_first_candidate_in_training_and_the_class_in_validation(
    facts: dict[str, Any], load, split: str
) -> None:
    theirs = facts["wsc_mix_labels"]["train" if split == "train" else "dev"]
    assert [raw.label for raw in load("WSC", split)] == [item["encoded_label"] for item in theirs]


@pytest.mark.parametrize(("task", "split", "theirs"), ENCODED)
def test_pattern_texts(facts: dict[str, Any], load, task: str, split: str, theirs: str) -> None:
    def shown(part: Part) -> dict[str, Any]:
        return {"mask": True} if part is MASK else {"text": part.text, "shortenable": part.shortenable}

    expected = their_examples(facts, task, theirs)
    for raw, example in zip(load(task, split), expected, strict=True):
        filled = fill(task, raw)
        assert [shown(part) for part in filled.first] == example["parts_a"]
        assert [shown(part) for part in filled.second] == example["parts_b"]
        assert list(filled.answers) == example.get("answers", [])


@pytest.mark.real_data
@pytest.mark.parametrize(("task", "split", "theirs"), ENCODED)
def test_arrays(facts: dict[str, Any], load, bert: Tokenizer, task: str, split: str, theirs: str) -> None:
    length = facts["seq_length"][task.lower()]
    expected = their_examples(facts, task, theirs)
    found = encode_task(task, load(task, split), bert, length, split)
    for ours, example in zip(found, expected, strict=True):
        check_arrays(ours.candidates, example["encode"], single=spec_of(task).head == "single")
        if spec_of(task).head == "single":
            assert list(ours.verbalizers or ()) == example["encode"]["target"]
        else:
            assert ours.verbalizers is None


def check_arrays(candidates, theirs: dict[str, Any], single: bool) -> None:
    names = [name for name in ("text", "position", "mask", "logit_mask", "target") if name in theirs]
    wanted = {name: [theirs[name]] if single else theirs[name] for name in names}
    if "sep" in theirs:
        wanted["mask"] = [theirs["sep"]] if single else theirs["sep"]
    assert len(candidates) == len(wanted["text"])
    for number, ours in enumerate(candidates):
        size = len(ours)
        text, position = np.array(wanted["text"][number]), np.array(wanted["position"][number])
        assert ours.tokens.tolist() == text[:size].tolist() and not text[size:].any()
        assert ours.positions.tolist() == position[:, :size].tolist() and not position[:, size:].any()
        assert ours.sep == wanted["mask"][number]
        if "logit_mask" in wanted:
            predicted = wanted["logit_mask"][number]
            assert ours.predicted.tolist() == [bool(flag) for flag in predicted[:size]]
            assert not any(predicted[size:])
        if "target" in wanted and not single:
            assert ours.targets.tolist() == wanted["target"][number][:size]


@pytest.mark.real_data
@pytest.mark.parametrize("task", ["RTE", "BoolQ", "COPA", "MultiRC"])
def test_truncation(facts: dict[str, Any], load, bert: Tokenizer, task: str) -> None:
    cases = [case for case in facts["truncation"] if case["task"] == task.lower()]
    assert any(case["num_truncated"] for case in cases)
    for length in sorted({case["seq_length"] for case in cases}):
        found = encode_task(task, load(task, "val"), bert, length, "val")
        at_length = [case for case in cases if case["seq_length"] == length]
        for ours, case in zip(found, at_length, strict=True):
            check_arrays(ours.candidates, case, single=spec_of(task).head == "single")


@pytest.mark.real_data
def test_specials_and_answer_words_have_the_authors_ids(facts: dict[str, Any], bert: Tokenizer) -> None:
    named = facts["specials"]
    special = bert.special
    assert (special.pad, special.eos, special.cls) == (named["pad"], named["eos"], named["ENC"])
    assert (special.mask, special.sop, special.eop) == (named["MASK"], named["sop"], named["eop"])
    assert bert.size == facts["num_tokens"]
    for task in TASKS:
        if spec_of(task).head == "single":
            pattern = facts["tasks"][task.lower()]["patterns"][str(spec_of(task).pattern)]
            assert list(verbalizer_ids(task, bert) or ()) == pattern["verbalizer_ids"]


@pytest.mark.real_data
def test_tokenizer_probes(facts: dict[str, Any], bert: Tokenizer) -> None:
    for probe in facts["tokenizer"]:
        assert bert.ids(probe["text"]) == probe["ids"], probe["text"]


def test_numbers_of_candidates_for_the_collate(facts: dict[str, Any], load) -> None:
    """The authors pad a batch to its largest number of candidates, or to ten."""
    raw = load("WSC", "val") + load("WSC", "train")
    assert [len(example.candidates) for example in raw] == facts["collate_variable"]["n_choices_in"]
    assert max(len(example.candidates) for example in raw) == facts["collate_variable"]["shape"][1]
    assert facts["collate_fixed10"]["max_choice_num"] == NEGATIVES + 1
