"""Rows of GLUE as the Hugging Face hub stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retort.data.glue.formats import GlueExample
from retort.data.glue.tasks import spec_of
from retort.errors import InputError

REPOSITORY = "nyu-mll/glue"
CONFIGS = {
    "CoLA": "cola",
    "SST-2": "sst2",
    "MRPC": "mrpc",
    "QQP": "qqp",
    "STS-B": "stsb",
    "MNLI": "mnli",
    "QNLI": "qnli",
    "RTE": "rte",
}
"""Configuration names of the tasks on the hub."""

_SPLITS = {"train": "train", "val": "validation"}
_MNLI_SPLITS = {"train": "train", "val": "validation_matched", "val_mismatched": "validation_mismatched"}

_PAIR = ("sentence1", "sentence2")
COLUMNS = {
    "CoLA": ("sentence",),
    "SST-2": ("sentence",),
    "MRPC": _PAIR,
    "QQP": ("question1", "question2"),
    "STS-B": _PAIR,
    "MNLI": ("premise", "hypothesis"),
    "QNLI": ("question", "sentence"),
    "RTE": _PAIR,
}
"""What the hub calls the columns of the texts."""

LABEL_NAMES = {
    "CoLA": ("unacceptable", "acceptable"),
    "SST-2": ("negative", "positive"),
    "MRPC": ("not_equivalent", "equivalent"),
    "QQP": ("not_duplicate", "duplicate"),
    "MNLI": spec_of("MNLI").labels,
    "QNLI": spec_of("QNLI").labels,
    "RTE": spec_of("RTE").labels,
}
"""What the hub calls the classes, in the order of our ``spec.labels``."""


def hub_splits(task: str) -> dict[str, str]:
    """Our names of the labelled splits of a task and the hub's."""
    return _MNLI_SPLITS if task == "MNLI" else _SPLITS


def check_label_names(task: str, names: Sequence[str], place: str) -> None:
    """Compare the class names of a hub repository with the expected ones, order included.

    Raises:
        InputError: they differ, so that the integers would mean other classes.
    """
    if tuple(names) != LABEL_NAMES[task]:
        raise InputError(f"{place}: field 'label' has classes {tuple(names)}, expected {LABEL_NAMES[task]}")


def hub_examples(task: str, split: str, rows: Iterable[Mapping[str, Any]], place: str) -> list[GlueExample]:
    """Examples from hub rows with integer (STS-B: real) labels, in their order.

    Args:
        task: official task name.
        split: our name of the split.
        rows: hub rows.
        place: name of the repository and split for error messages.

    Raises:
        InputError: a column is missing or a row has no label.
    """
    spec = spec_of(task)
    examples = []
    for number, row in enumerate(rows):
        try:
            texts = [row[name] for name in COLUMNS[task]]
            label = row["label"]
        except KeyError as error:
            raise InputError(f"{place}: column {error} is missing; is it a GLUE repository?") from None
        if label < 0 or (spec.labels and label >= len(spec.labels)):
            raise InputError(f"{place}: field 'label' is {label}; only labelled splits can be used")
        second = texts[1] if len(texts) > 1 else None
        examples.append(GlueExample(f"{task}/{split}/{number}", texts[0], second, label))
    return examples
