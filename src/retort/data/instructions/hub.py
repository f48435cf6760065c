"""Instruction sets from hub rows, written as the official files are.

Few-shot sets come with their shots first, as instruct-eval chooses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from retort.data.instructions.formats import Record
from retort.data.instructions.sets import spec_of
from retort.errors import InputError

Rows = Sequence[Mapping[str, Any]]

_LETTERS = "ABCD"


def official_records(name: str, rows: Mapping[tuple[str | None, str], Rows], place: str) -> list[Record]:
    """Records of a set in the official layout.

    Args:
        name: of the set.
        rows: hub rows by configuration and split.
        place: name of the repository, for error messages.

    Raises:
        InputError: a column is missing or the set is not read from the hub.
    """
    if name not in _READERS:
        spec_of(name).place_on_hub()
    try:
        return _READERS[name](rows)
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{place}: column {error} is missing or odd; is it {name}?") from None


def _alpaca(rows: Mapping[tuple[str | None, str], Rows]) -> list[Record]:
    names = ("instruction", "input", "output")
    return [{name: row[name] for name in names} for part in rows.values() for row in part]


def _gsm8k(rows: Mapping[tuple[str | None, str], Rows]) -> list[Record]:
    return [
        {"instruction": row["question"], "input": "", "output": row["answer"]}
        for part in rows.values()
        for row in part
    ]


def _mmlu(rows: Mapping[tuple[str | None, str], Rows]) -> list[Record]:
    """Choices become lines with letters; the development split's five questions a subject are its shots."""
    records = []
    for part in rows.values():
        for row in part:
            choices = [f"{letter}. {text}" for letter, text in zip(_LETTERS, row["choices"], strict=True)]
            subject = row["subject"].replace("_", " ")
            about = f"The following are multiple choice questions (with answers) about  {subject}.\n\n"
            question = "\n".join([row["question"], *choices])
            answer = _LETTERS[row["answer"]]
            records.append({"task": row["subject"], "header": about, "question": question, "answer": answer})
    return records


def _bbh(rows: Mapping[tuple[str | None, str], Rows]) -> list[Record]:
    return [
        {"task": config, "question": row["input"], "answer": row["target"]}
        for (config, _), part in rows.items()
        for row in part
    ]


def _drop(rows: Mapping[tuple[str | None, str], Rows]) -> list[Record]:
    """Questions whose annotated spans are all the same; three random ones are shots, other questions about
    their passages are left out."""
    kept = [row for part in rows.values() for row in part if len(set(_spans(row))) == 1]
    shots = Random(0).sample(kept, spec_of("drop").shots)
    passages = {row["passage"] for row in shots}
    return [
        {
            "task": "drop",
            "question": f"{row['passage'].strip()} {row['question'].strip()}",
            "answer": _spans(row)[0],
        }
        for row in [*shots, *(row for row in kept if row["passage"] not in passages)]
    ]


def _spans(row: Mapping[str, Any]) -> list[str]:
    return [text.strip() for text in row["answers_spans"]["spans"]]


_READERS: dict[str, Callable[[Mapping[tuple[str | None, str], Rows]], list[Record]]] = {
    "alpaca_gpt4": _alpaca,
    "gsm8k": _gsm8k,
    "mmlu": _mmlu,
    "bbh": _bbh,
    "drop": _drop,
}
