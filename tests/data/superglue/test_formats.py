"""Malformed official files stop with the file, the line and the field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.superglue import TASKS
from retort.data.superglue.formats import read_records
from retort.data.superglue.instances import load_task
from retort.errors import InputError

GOOD: dict[str, dict[str, Any]] = {
    "BoolQ": {"idx": 0, "question": "is it so", "passage": "It is so.", "label": True},
    "CB": {"idx": 0, "premise": "She says it.", "hypothesis": "it", "label": "neutral"},
    "COPA": {
        "idx": 0,
        "premise": "It fell.",
        "choice1": "It broke.",
        "choice2": "It flew.",
        "question": "effect",
        "label": 0,
    },
    "MultiRC": {
        "idx": 0,
        "passage": {
            "text": "One. Two.",
            "questions": [
                {"idx": 0, "question": "How many?", "answers": [{"idx": 0, "text": "2", "label": 1}]}
            ],
        },
    },
    "ReCoRD": {
        "idx": 0,
        "passage": {"text": "Ann met Bob.", "entities": [{"start": 0, "end": 2}, {"start": 8, "end": 10}]},
        "qas": [
            {"idx": 0, "query": "@placeholder smiled", "answers": [{"start": 8, "end": 10, "text": "Bob"}]}
        ],
    },
    "RTE": {"idx": 0, "premise": "A cat sat.", "hypothesis": "A cat sat.", "label": "entailment"},
    "WiC": {"idx": 0, "word": "key", "sentence1": "The key.", "sentence2": "A key.", "label": False},
    "WSC": {
        "idx": 0,
        "text": "Ann thanked Bea because she helped.",
        "target": {"span1_text": "Bea", "span1_index": 2, "span2_text": "she", "span2_index": 4},
        "label": True,
    },
}


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def changed(task: str, where: str, value: Any) -> dict[str, Any]:
    """The good record with one field replaced, or removed where the value is ``...``."""
    record = copy.deepcopy(GOOD[task])
    inner: Any = record
    *path, last = where.split(".")
    for name in path:
        inner = inner[int(name)] if name.isdigit() else inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return record


@pytest.mark.parametrize("task", TASKS)
def test_good_records_are_read(tmp_path: Path, task: str) -> None:
    path = write(tmp_path / "val.jsonl", GOOD[task], {**GOOD[task], "idx": 7})
    assert [record.idx for record in read_records(task, path)] == [0, 7]


BAD = [
    ("BoolQ", "label", 1, "field 'label' must be true or false"),
    ("BoolQ", "label", "true", "field 'label' must be true or false"),
    ("BoolQ", "label", ..., "field 'label' is missing"),
    ("BoolQ", "passage", " ", "field 'passage' is empty"),
    ("BoolQ", "passage", "\ud83d", "field 'passage' holds half"),
    ("BoolQ", "idx", "0", "field 'idx' must be an integer"),
    ("BoolQ", "idx", True, "field 'idx' must be an integer"),
    ("BoolQ", "idx", -1, "field 'idx' is -1"),
    ("CB", "label", "entails", "field 'label' is 'entails'"),
    ("RTE", "label", "neutral", "field 'label' is 'neutral'"),
    ("RTE", "premise", None, "field 'premise' must be a string, not null"),
    ("COPA", "label", 2, "field 'label' is 2, not 0 or 1"),
    ("COPA", "question", "why", "field 'question' is 'why'"),
    ("MultiRC", "passage", "text", "field 'passage' must be a JSON object"),
    ("MultiRC", "passage.questions", [], "field 'passage.questions' has 0 entries"),
    ("MultiRC", "passage.questions.0.answers", {}, "field 'passage.questions[0].answers' must be a list"),
    ("MultiRC", "passage.questions.0.answers.0.label", 3, "field 'passage.questions[0].answers[0].label'"),
    ("ReCoRD", "passage.entities.1.end", 12, "field 'passage.entities[1].end' is 12"),
    ("ReCoRD", "passage.entities.1.start", 11, "field 'passage.entities[1].end' is 10"),
    ("ReCoRD", "passage.entities", [], "field 'passage.entities' has 0 entries"),
    ("ReCoRD", "qas.0.query", "no blank", "field 'qas[0].query' must hold @placeholder exactly once"),
    ("ReCoRD", "qas.0.answers", [], "field 'qas[0].answers' has 0 entries"),
    ("WiC", "word", 5, "field 'word' must be a string, not a number"),
    ("WSC", "target.span2_index", 9, "field 'target.span2_index' points at"),
    ("WSC", "target.span1_text", ..., "field 'target.span1_text' is missing"),
    ("WSC", "candidates", ["Bea"], "field 'candidates[0]' must be a JSON object"),
]


@pytest.mark.parametrize(("task", "where", "value", "message"), BAD)
def test_bad_field(tmp_path: Path, task: str, where: str, value: Any, message: str) -> None:
    good = {**GOOD[task], "idx": 1}
    path = write(tmp_path / "val.jsonl", good, changed(task, where, value))
    with pytest.raises(InputError) as caught:
        load_task(task, path, "val")
    assert str(caught.value).startswith(f"{path}:2: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", ":1: not JSON"),
        (b'{"idx": 0}\n\xff\n', ":1: field 'label' is missing"),
        (b"\xff\n", ":1: not UTF-8"),
        (b"[1]\n", ":1: the line must be a JSON object, not a list"),
        (b"", ": holds no examples"),
        (b"\n \n", ": holds no examples"),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "val.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_records("RTE", path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_missing_file_and_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_records("RTE", tmp_path / "none.jsonl")
    path = write(tmp_path / "x.jsonl", GOOD["RTE"])
    with pytest.raises(InputError, match="'AX-b' is not a SuperGLUE task"):
        read_records("AX-b", path)
    with pytest.raises(InputError, match="neither 'train' nor 'val'"):
        load_task("RTE", path, "test")  # type: ignore[arg-type]


def test_repeated_indices_name_the_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "val.jsonl", GOOD["RTE"], GOOD["RTE"])
    with pytest.raises(InputError, match=r":2: field 'idx' 0 was used before, at .*:1"):
        read_records("RTE", path)


def test_repeated_inner_indices(tmp_path: Path) -> None:
    record = copy.deepcopy(GOOD["MultiRC"])
    record["passage"]["questions"] *= 2
    with pytest.raises(InputError, match=r":1: field 'idx' repeats MultiRC/val/0/0/0"):
        load_task("MultiRC", write(tmp_path / "val.jsonl", record), "val")


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    path = tmp_path / "val.jsonl"
    record = {**GOOD["RTE"], "premise": "One\u2028two\x85three\x0cfour"}
    path.write_text(json.dumps(record, ensure_ascii=False) + "\r\n", encoding="utf-8", newline="")
    assert read_records("RTE", path)[0].premise == record["premise"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_any_value_in_any_place_is_refused_or_read(tmp_path_factory: Any, value: Any) -> None:
    """Whatever stands in a field: a record comes out, or an InputError that names the line."""
    folder = tmp_path_factory.mktemp("any")
    for task in TASKS:
        for name in GOOD[task]:
            path = write(folder / "val.jsonl", {**GOOD[task], name: value})
            try:
                assert load_task(task, path, "val")
            except InputError as error:
                assert str(error).startswith(f"{path}:1: field '")
