"""Reading and writing instruction sets: JSON lines, or one JSON array as Alpaca's file is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.instructions.sets import NUMBER_MARK, InstructionSpec, spec_of
from retort.data.superglue.rows import Row, read_rows
from retort.errors import InputError
from retort.files import atomic_path, read_json, write_lines

Record = dict[str, Any]

HELD_OUT = 10
"""One of so many records of every sub-task is kept for evaluation, where one file serves for both."""


@dataclass(frozen=True)
class Instruction:
    """Something to do, and how it is done right.

    Attributes:
        key: ``set/line``, unique; generated responses are filed under it.
        instruction: what is asked for; of few-shot questions what stands above them all.
        input: what it is asked about, may be empty; of few-shot questions the question.
        responses: good responses; the first is the one that is trained on.
        answer: what a right response says or starts with, ``None`` for open questions.
        group: sub-task or kind of question, empty where there is none.
        shots: questions and answers that a few-shot question is shown behind.
    """

    key: str
    instruction: str
    input: str
    responses: tuple[str, ...]
    answer: str | None = None
    group: str = ""
    shots: tuple[tuple[str, str], ...] = ()


def file_of(name: str, root: Path) -> Path:
    """The official file of a set in a data folder."""
    return root / "instructions" / spec_of(name).file


def read_instructions(name: str, path: Path) -> list[Instruction]:
    """Read a set, in file order; of a file that serves for training and evaluation, the set's part.

    Training records without a response, of which large sets have a few, teach nothing and are left out;
    elsewhere they are an error.

    Args:
        name: of the set, which decides the fields.
        path: its file.

    Raises:
        InputError: a malformed line or field, too few records for the shots or to hold any out, or no record
            at all.
    """
    spec = spec_of(name)
    rows = _items(path) if path.suffix == ".json" else read_rows(path)
    if spec.role == "understanding":
        found = _shown([_question(spec, row) for row in rows], spec, path)
    else:
        found = _part([record for row in rows if (record := _record(spec, row)) is not None], spec)
    if not found and spec.part == "held":
        raise InputError(f"{path}: no task has {HELD_OUT} records, of which {name} is the last; add some")
    if not found:
        raise InputError(f"{path}: holds no instruction with a response; check the download")
    return found


def write_instructions(name: str, path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write official records, as JSON lines or as one array, by the file's suffix.

    Raises:
        InputError: there are none.
    """
    if not records:
        raise InputError(f"{name}: there are no records to write; ask for at least one")
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    if path.suffix != ".json":
        write_lines(path, lines)
        return
    with atomic_path(path) as temporary:
        temporary.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _items(path: Path) -> Iterator[Row]:
    """Records of a JSON array; a place is the number of the record."""
    value = read_json(path)
    if not isinstance(value, list):
        raise InputError(f"{path}: must be a JSON array of records; use the file as it was published")
    for number, item in enumerate(value, 1):
        yield Row(f"{path}:{number}", item)


def _record(spec: InstructionSpec, row: Row) -> Instruction | None:
    _check_fields(spec, row)
    given = row.text("input", blank=True) if spec.always_input or row.has("input") else ""
    output = row.text("output", blank=spec.role == "training").strip()
    if not output:
        return None
    responses: tuple[str, ...] = (output,)
    if row.has("references"):
        responses = (output, *(text for text in row.texts("references") if text != output))
    answer = row.text("answer") if row.has("answer") else None
    if spec.numbered:
        _, mark, answer = output.rpartition(NUMBER_MARK)
        if not mark or not answer.strip():
            raise row.fail("output", f"has no '{NUMBER_MARK} number' at its end; use the official file")
        answer = answer.strip()
    group = row.text(spec.group) if spec.group else ""
    key = f"{spec.name}/{row.number}"
    return Instruction(key, row.text("instruction").strip(), given.strip(), responses, answer, group)


def _part(records: list[Instruction], spec: InstructionSpec) -> list[Instruction]:
    """The set's part of each sub-task: neighbours often share a text, so what is held out is one piece."""
    if spec.part == "all":
        return records
    sizes = Counter(record.group for record in records)
    before: Counter[str] = Counter()
    found = []
    for record in records:
        seen = sizes[record.group] - sizes[record.group] // HELD_OUT
        held = before[record.group] >= seen
        before[record.group] += 1
        if held == (spec.part == "held"):
            found.append(record)
    return found


def _question(spec: InstructionSpec, row: Row) -> Instruction:
    _check_fields(spec, row)
    answer = row.text("answer").strip()
    header = row.text("header") if "header" in spec.fields else ""
    key = f"{spec.name}/{row.number}"
    return Instruction(key, header, row.text("question").strip(), (answer,), answer, row.text("task"))


def _shown(questions: list[Instruction], spec: InstructionSpec, path: Path) -> list[Instruction]:
    """The questions behind the first ones of their sub-task, which are their shots."""
    by_task: dict[str, list[Instruction]] = {}
    for question in questions:
        by_task.setdefault(question.group, []).append(question)
    for task, members in by_task.items():
        if len(members) <= spec.shots:
            raise InputError(
                f"{path}: task {task!r} has {len(members)} records, of which {spec.shots} are shots; add some"
            )
    shots = {
        task: tuple((q.input, q.responses[0]) for q in members[: spec.shots])
        for task, members in by_task.items()
    }
    asked = {question.key for members in by_task.values() for question in members[spec.shots :]}
    return [
        Instruction(q.key, q.instruction, q.input, q.responses, q.answer, q.group, shots[q.group])
        for q in questions
        if q.key in asked
    ]


def _check_fields(spec: InstructionSpec, row: Row) -> None:
    for name, kind in spec.fields.items():
        if kind == "text":
            row.text(name)
        elif kind == "integer":
            row.integer(name)
        else:
            row.boolean(name)
