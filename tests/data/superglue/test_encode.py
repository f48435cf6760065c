"""Layout, truncation and keys, with a vocabulary of a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.superglue import TASKS, spec_of
from retort.data.superglue.encode import cloze_sequence, encode_task, verbalizer_ids
from retort.data.superglue.instances import RawExample, load_task
from retort.data.superglue.patterns import MASK, fill
from retort.data.tokenizer import COMMANDS, Tokenizer
from retort.errors import InputError

WORDS = [
    "yes",
    "no",
    "maybe",
    *"abcdefgh",
    "ann",
    "bea",
    "she",
    *"*?.,:",
    '"',
    "'",
    "is",
    "it",
    "because",
    "so",
]
TOKENIZER = Tokenizer([*COMMANDS, *WORDS])
SPECIAL = TOKENIZER.special


def rte(premise: str, hypothesis: str) -> RawExample:
    return RawExample("RTE/val/1", "f:1", {"premise": premise, "hypothesis": hypothesis}, 0)


def load(tmp_path: Path, task: str, split: str, *records: dict[str, Any]) -> list[RawExample]:
    path = tmp_path / f"{split}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return load_task(task, path, split)  # type: ignore[arg-type]


def wsc(idx: int, candidates: list[str] | None, label: bool = True, **target: Any) -> dict[str, Any]:
    spans = {"span1_text": "bea", "span1_index": 1, "span2_text": "she", "span2_index": 3} | target
    record = {"idx": idx, "text": "ann bea because she", "target": spans, "label": label}
    return record if candidates is None else record | {"candidates": [{"text": text} for text in candidates]}


def test_single_token_layout() -> None:
    example = cloze_sequence([7, SPECIAL.mask, 8], None, SPECIAL)
    assert example.tokens.tolist() == [SPECIAL.cls, 7, SPECIAL.mask, 8, SPECIAL.pad, SPECIAL.sop]
    assert example.positions.tolist() == [[0, 1, 2, 3, 4, 2], [0, 0, 0, 0, 0, 1]]
    assert (example.sep, example.predicted.tolist()) == (5, [False] * 5 + [True])


def test_multi_token_layout_ends_with_eop() -> None:
    example = cloze_sequence([SPECIAL.mask, 8], [9, 10], SPECIAL)
    assert example.tokens[example.sep :].tolist() == [SPECIAL.sop, 9, 10]
    assert example.targets.tolist() == [0, 0, 0, 0, 9, 10, SPECIAL.eop]
    assert example.positions[:, example.sep :].tolist() == [[1, 1, 1], [1, 2, 3]]


def test_a_text_that_spells_the_blank_is_refused() -> None:
    """Part B sits at the first blank, so the authors' code would ask for a word of the text."""
    raw = rte("a b", "a [MASK] b")
    assert [part is MASK for part in fill("RTE", raw).second].count(True) == 1
    with pytest.raises(InputError, match=r"a text holds the token \[MASK\]; write it another way"):
        encode_task("RTE", [raw], TOKENIZER, 64, "val")


@given(st.integers(0, 20), st.integers(0, 20), st.integers(14, 60))
def test_truncation_balances_the_sides(left: int, right: int, length: int) -> None:
    raw = rte(" ".join(["b"] * right), " ".join(["a"] * left))
    fixed = 10  # [CLS], two pairs of quotes, question mark, [MASK], comma, end, start of part B
    tokens = encode_task("RTE", [raw], TOKENIZER, length, "val")[0].candidates[0].tokens.tolist()
    first, second = (tokens.count(TOKENIZER.ids(word)[0]) for word in "ab")
    assert len(tokens) == min(length, left + right + fixed)
    if len(tokens) < left + right + fixed:
        # The longer side gave way until both were equal, then the second side first.
        room = length - fixed
        assert (first, second) in {
            (left, room - left),
            (room - right, right),
            (room - room // 2, room // 2),
        }
        assert first >= second or first == left


def test_what_cannot_fit_names_the_place_and_the_length() -> None:
    raw = rte("a b c", "d e f")
    assert len(encode_task("RTE", [raw], TOKENIZER, 10, "val")[0].candidates[0]) == 10
    with pytest.raises(InputError, match=r"^f:1: example RTE/val/1 needs 10 tokens .* max_length 9"):
        encode_task("RTE", [raw], TOKENIZER, 9, "val")


def test_answers_count_in_the_limit(tmp_path: Path) -> None:
    raw = load(tmp_path, "WSC", "val", wsc(0, ["a", "a b c d e f g h"]))
    short, _, long = encode_task("WSC", raw, TOKENIZER, 34, "val")[0].candidates
    assert len(long) == 34 > len(short)
    assert long.sep < short.sep


@pytest.mark.parametrize("task", [task for task in TASKS if spec_of(task).head == "single"])
def test_verbalizers_follow_the_classes(task: str) -> None:
    names = TOKENIZER.tokens(verbalizer_ids(task, TOKENIZER) or ())
    assert dict(zip(spec_of(task).labels, names, strict=True)) == dict(
        zip(spec_of(task).labels, spec_of(task).verbalizers, strict=True)
    )


def test_missing_answer_word() -> None:
    with pytest.raises(InputError, match="task CB: answer word 'maybe' is not in the vocabulary"):
        encode_task("CB", [], Tokenizer([*COMMANDS, "yes", "no"]), 64, "val")


def test_split_and_task_must_be_those_of_the_examples() -> None:
    with pytest.raises(InputError, match="example RTE/val/1 is not from RTE/train"):
        encode_task("RTE", [rte("a", "b")], TOKENIZER, 64, "train")


def test_copa_mirror_swaps_choices_and_label(tmp_path: Path) -> None:
    record = {"idx": 4, "premise": "a.", "choice1": "B.", "choice2": "C!", "question": "cause", "label": 1}
    raw = load(tmp_path, "COPA", "train", record)
    assert [(item.key, item.label, item.meta["idx"]) for item in raw] == [
        ("COPA/train/4", 1, 4),
        ("COPA/train/4/mirrored", 0, 4),
    ]
    plain, mirrored = encode_task("COPA", raw, TOKENIZER, 64, "train")
    answers = [
        [TOKENIZER.tokens(item.targets[item.sep :])[0] for item in x.candidates] for x in (plain, mirrored)
    ]
    assert answers == [["b", "c"], ["c", "b"]]
    assert len(load(tmp_path, "COPA", "val", record)) == 1


def test_record_training_samples_nine_wrong_entities_for_each_right_answer(tmp_path: Path) -> None:
    names = [f"n{number:02d}" for number in range(14)]
    spans = [{"start": 4 * number, "end": 4 * number + 2} for number in range(14)]
    answers = [{"text": text} for text in ("n03", "n05", "n03")]
    record = {
        "idx": 9,
        "passage": {"text": " ".join(names), "entities": spans},
        "qas": [{"idx": 2, "query": "x @placeholder", "answers": answers}],
    }
    raw = load(tmp_path, "ReCoRD", "train", record)
    assert [item.key for item in raw] == ["ReCoRD/train/9/2/0", "ReCoRD/train/9/2/1"]
    for item, right in zip(raw, ("n03", "n05"), strict=True):
        assert item.candidates[0] == right and item.label == 0
        assert len(set(item.candidates)) == 10 and len({"n03", "n05"} & set(item.candidates)) == 1
    assert raw[0].candidates[1:] != raw[1].candidates[1:]
    assert raw == load(tmp_path, "ReCoRD", "train", record)
    (whole,) = load(tmp_path, "ReCoRD", "val", record)
    assert list(whole.candidates) == names and whole.label == 3
    assert whole.meta == {"idx": 2, "passage_idx": 9, "candidates": names, "answers": ["n03", "n05"]}


def test_wsc_training_chunks(tmp_path: Path) -> None:
    wrong = [f"w{number}" for number in range(20)]
    raw = load(tmp_path, "WSC", "train", wsc(0, wrong + wrong[:3]), wsc(1, ["a"], label=False), wsc(2, ["a"]))
    assert [item.key for item in raw] == ["WSC/train/0/0", "WSC/train/0/1", "WSC/train/0/2", "WSC/train/2"]
    assert all(item.candidates[0] == "bea" and item.label == 0 for item in raw)
    assert raw[2].candidates[1:] == (*wrong[18:], *wrong[:7])
    dev = load(tmp_path, "WSC", "val", wsc(0, wrong), wsc(1, ["a"], label=False))
    assert [len(item.candidates) for item in dev] == [21, 2]
    assert [item.label for item in dev] == [1, 0]


def test_wsc_without_true_examples_cannot_train(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives no train examples"):
        load(tmp_path, "WSC", "train", wsc(0, ["a"], label=False))


@pytest.mark.parametrize(
    ("text", "index", "marked"),
    [
        ("ann bea because she", 3, "ann bea because *she*"),
        ("ann bea because she", 4, "ann bea because *she*"),
        ("ann bea because she", 2, "ann bea because *she*"),
        ("ann bea because she.", 3, "ann bea because *she* ."),
        ("she  ann bea", 0, "*she* ann bea"),
    ],
)
def test_wsc_pronoun_is_marked_and_its_index_repaired(
    tmp_path: Path, text: str, index: int, marked: str
) -> None:
    record = wsc(0, [], span2_index=index) | {"text": text}
    assert load(tmp_path, "WSC", "val", record)[0].fields["text"] == marked


def test_quotes_are_straightened_except_in_copa(tmp_path: Path) -> None:
    texts = {"premise": "\u201ca\u201d \u2013 b", "hypothesis": "it\u2019s"}
    (raw,) = load(tmp_path, "RTE", "val", {"idx": 0, "label": "entailment", **texts})
    assert raw.fields == {"premise": '"a" - b', "hypothesis": "it's"}
    record = {"choice1": "a\u2019", "choice2": "b", "question": "cause", "label": 0}
    (raw,) = load(tmp_path, "COPA", "val", {"idx": 0, "premise": "it\u2019s", **record})
    assert (raw.fields["premise"], raw.fields["choice1"]) == ("it\u2019s", "a\u2019")


def test_entity_offsets_hold_after_normalising(tmp_path: Path) -> None:
    text = "\u201cAnn\u201d met Bob\u2019s dog\n@highlight\nAnn"
    record = {
        "idx": 0,
        "passage": {"text": text, "entities": [{"start": 1, "end": 3}, {"start": 10, "end": 14}]},
        "qas": [{"idx": 0, "query": "@placeholder ran", "answers": [{"text": "Bob\u2019s"}]}],
    }
    (raw,) = load(tmp_path, "ReCoRD", "val", record)
    assert raw.candidates == ("Ann", "Bob's") and raw.label == 1
    assert raw.fields["passage"].endswith("dog\n- Ann")


@pytest.mark.real_data
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_files(real_data: Path, task: str, split: str) -> None:
    vocabulary = Tokenizer.from_vocab(real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt")
    raw = load_task(task, real_data / "superglue" / task / f"{split}.jsonl", split)  # type: ignore[arg-type]
    spec = spec_of(task)
    examples = encode_task(task, raw[:300], vocabulary, spec.max_length, split)  # type: ignore[arg-type]
    assert len({example.key for example in examples}) == len(examples)
    for example in examples:
        assert example.verbalizers is None or 0 <= example.label < len(example.verbalizers)
        for item in example.candidates:
            assert len(item) <= spec.max_length
            assert item.tokens[item.sep - 1] == vocabulary.special.pad
            assert item.tokens[item.sep] == vocabulary.special.sop
