"""Rows of SuperGLUE as the Hugging Face hub stores them, turned back into official JSON lines.

The hub's ``aps/super_glue`` flattens MultiRC and ReCoRD to one row per answer or query, numbers the
labels, and stores entity spans with an *exclusive* end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from retort.data.superglue.tasks import spec_of
from retort.errors import InputError

CONFIGS = {
    "BoolQ": "boolq",
    "CB": "cb",
    "COPA": "copa",
    "MultiRC": "multirc",
    "ReCoRD": "record",
    "RTE": "rte",
    "WiC": "wic",
    "WSC": "wsc",
}
"""Configuration names of the eight tasks on the hub."""

SPLITS = {"train": "train", "val": "validation"}
"""Our split names and the hub's."""

_LABEL_NAMES = {
    "BoolQ": ("False", "True"),
    "CB": spec_of("CB").labels,
    "COPA": ("choice1", "choice2"),
    "MultiRC": ("False", "True"),
    "RTE": spec_of("RTE").labels,
    "WiC": ("False", "True"),
    "WSC": ("False", "True"),
}

HubRow = Mapping[str, Any]


def check_label_names(task: str, names: Iterable[str], place: str) -> None:
    """Compare the class names of a hub repository with the expected ones, order included.

    Raises:
        InputError: they differ, so that the integers would mean other classes.
    """
    found = tuple(names)
    if found != _LABEL_NAMES[task]:
        raise InputError(f"{place}: field 'label' has classes {found}, expected {_LABEL_NAMES[task]}")


def official_rows(task: str, rows: Iterable[HubRow], place: str) -> list[dict[str, Any]]:
    """Official records, in the order in which their first row comes.

    Args:
        task: official task name.
        rows: hub rows with integer labels.
        place: name of the repository and split for error messages.

    Raises:
        InputError: a column is missing, an unlabelled row, or a span that does not match its text.
    """
    try:
        return _CONVERT[task](list(rows), place)
    except KeyError as error:
        raise InputError(f"{place}: column {error} is missing; is it a SuperGLUE repository?") from None


def _simple(task: str, *columns: str) -> Callable[[list[HubRow], str], list[dict[str, Any]]]:
    def convert(rows: list[HubRow], place: str) -> list[dict[str, Any]]:
        return [
            {name: row[name] for name in columns}
            | {"label": _label(task, row["label"], place), "idx": row["idx"]}
            for row in rows
        ]

    return convert


def _label(task: str, value: int, place: str) -> Any:
    names = _LABEL_NAMES[task]
    if not 0 <= value < len(names):
        raise InputError(f"{place}: field 'label' is {value}; only labelled splits can be used")
    if task in ("COPA", "MultiRC"):
        return int(value)
    return names[value] if task in ("CB", "RTE") else bool(value)


def _multirc(rows: list[HubRow], place: str) -> list[dict[str, Any]]:
    passages: dict[int, dict[str, Any]] = {}
    questions: dict[tuple[int, int], dict[str, Any]] = {}
    for row in rows:
        passage_idx, question_idx = row["idx"]["paragraph"], row["idx"]["question"]
        if passage_idx not in passages:
            passages[passage_idx] = {
                "idx": passage_idx,
                "passage": {"text": row["paragraph"], "questions": []},
            }
        if (passage_idx, question_idx) not in questions:
            question = {"idx": question_idx, "question": row["question"], "answers": []}
            questions[passage_idx, question_idx] = question
            passages[passage_idx]["passage"]["questions"].append(question)
        label = _label("MultiRC", row["label"], place)
        answer = {"idx": row["idx"]["answer"], "text": row["answer"], "label": label}
        questions[passage_idx, question_idx]["answers"].append(answer)
    return list(passages.values())


def _record(rows: list[HubRow], place: str) -> list[dict[str, Any]]:
    passages: dict[int, dict[str, Any]] = {}
    for row in rows:
        idx = row["idx"]["passage"]
        if idx not in passages:
            passage = {"text": row["passage"], "entities": _entities(row, place)}
            passages[idx] = {"idx": idx, "passage": passage, "qas": []}
        spans = passages[idx]["passage"]["entities"]
        answers = [
            span | {"text": text}
            for text in row["answers"]
            for span in spans
            if row["passage"][span["start"] : span["end"] + 1] == text
        ]
        query = {"idx": row["idx"]["query"], "query": row["query"], "answers": answers}
        passages[idx]["qas"].append(query)
    return list(passages.values())


def _entities(row: HubRow, place: str) -> list[dict[str, int]]:
    """Spans with an inclusive end from the hub's exclusive ones."""
    stored = row["entity_spans"]
    if isinstance(stored, Mapping):  # a list of structs arrives as a struct of lists
        spans = list(zip(stored["text"], stored["start"], stored["end"], strict=True))
    else:
        spans = [(span["text"], span["start"], span["end"]) for span in stored]
    for text, start, end in spans:
        if row["passage"][start:end] != text:
            raise InputError(
                f"{place}: field 'entity_spans' {start}:{end} is not {text!r:.40} in the passage"
            )
    return [{"start": start, "end": end - 1} for _, start, end in spans]


def _wsc(rows: list[HubRow], place: str) -> list[dict[str, Any]]:
    names = ("span1_index", "span1_text", "span2_index", "span2_text")
    return [
        {
            "text": row["text"],
            "target": {name: row[name] for name in names},
            "label": _label("WSC", row["label"], place),
            "idx": row["idx"],
        }
        for row in rows
    ]


_CONVERT: dict[str, Callable[[list[HubRow], str], list[dict[str, Any]]]] = {
    "BoolQ": _simple("BoolQ", "question", "passage"),
    "CB": _simple("CB", "premise", "hypothesis"),
    "COPA": _simple("COPA", "premise", "choice1", "choice2", "question"),
    "MultiRC": _multirc,
    "ReCoRD": _record,
    "RTE": _simple("RTE", "premise", "hypothesis"),
    "WiC": _simple("WiC", "word", "sentence1", "sentence2", "start1", "end1", "start2", "end2"),
    "WSC": _wsc,
}
