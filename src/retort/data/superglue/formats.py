"""Reading the official labelled SuperGLUE files into typed records, strictly.

Whatever is missing, of the wrong type or outside the task's classes stops the reading with the file,
the line and the field.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from retort.data.superglue.records import (
    BoolQRecord,
    CopaRecord,
    EntailmentRecord,
    MultiRCAnswer,
    MultiRCQuestion,
    MultiRCRecord,
    ReCoRDQuery,
    ReCoRDRecord,
    WiCRecord,
    WSCRecord,
)
from retort.data.superglue.rows import Row, read_rows
from retort.data.superglue.tasks import spec_of
from retort.errors import InputError

PLACEHOLDER = "@placeholder"


def read_records(task: str, path: Path | str) -> list[Any]:
    """Read every record of one labelled official file, in file order.

    Args:
        task: official task name.
        path: ``train.jsonl`` or ``val.jsonl`` of that task.

    Returns:
        Records of the task's type (see :mod:`retort.data.superglue.records`).

    Raises:
        InputError: a malformed line, a repeated ``idx``, or a file without examples.
    """
    spec_of(task)
    parse = _PARSERS[task]
    records: list[Any] = []
    first_at: dict[int, str] = {}
    for row in read_rows(path):
        record = parse(row)
        if record.idx in first_at:
            raise row.fail("idx", f"{record.idx} was used before, at {first_at[record.idx]}")
        first_at[record.idx] = row.place
        records.append(record)
    if not records:
        raise InputError(f"{path}: holds no examples; check the download")
    return records


def _boolq(row: Row) -> BoolQRecord:
    return BoolQRecord(
        row.place, row.integer("idx"), row.text("passage"), row.text("question"), row.boolean("label")
    )


def _entailment(labels: tuple[str, ...]) -> Callable[[Row], EntailmentRecord]:
    def parse(row: Row) -> EntailmentRecord:
        label = row.one_of("label", labels)
        return EntailmentRecord(
            row.place, row.integer("idx"), row.text("premise"), row.text("hypothesis"), label
        )

    return parse


def _copa(row: Row) -> CopaRecord:
    choices = (row.text("choice1"), row.text("choice2"))
    question = row.one_of("question", ("cause", "effect"))
    return CopaRecord(
        row.place, row.integer("idx"), row.text("premise"), choices, question, row.binary("label")
    )


def _multirc(row: Row) -> MultiRCRecord:
    passage = row.child("passage")
    questions = tuple(
        MultiRCQuestion(
            question.integer("idx"),
            question.text("question"),
            tuple(
                MultiRCAnswer(answer.integer("idx"), answer.text("text", blank=True), answer.binary("label"))
                for answer in question.children("answers")
            ),
        )
        for question in passage.children("questions")
    )
    return MultiRCRecord(row.place, row.integer("idx"), passage.text("text"), questions)


def _record(row: Row) -> ReCoRDRecord:
    passage = row.child("passage")
    text = passage.text("text")
    spans = []
    for entity in passage.children("entities"):
        start, end = entity.integer("start"), entity.integer("end")
        if not start <= end < len(text):
            raise entity.fail(
                "end", f"is {end}: the span must lie inside the passage ({len(text)} characters)"
            )
        spans.append((start, end))
    queries = tuple(_query(query) for query in row.children("qas"))
    return ReCoRDRecord(row.place, row.integer("idx"), text, tuple(spans), queries)


def _query(row: Row) -> ReCoRDQuery:
    text = row.text("query")
    if text.count(PLACEHOLDER) != 1:
        raise row.fail("query", f"must hold {PLACEHOLDER} exactly once, not {text.count(PLACEHOLDER)} times")
    answers = tuple(answer.text("text") for answer in row.children("answers"))
    return ReCoRDQuery(row.integer("idx"), text, answers)


def _wic(row: Row) -> WiCRecord:
    return WiCRecord(
        row.place,
        row.integer("idx"),
        row.text("word"),
        row.text("sentence1"),
        row.text("sentence2"),
        row.boolean("label"),
    )


def _wsc(row: Row) -> WSCRecord:
    target = row.child("target")
    candidates = None
    if row.has("candidates"):
        candidates = tuple(entry.text("text") for entry in row.children("candidates", minimum=0))
    return WSCRecord(
        row.place,
        row.integer("idx"),
        row.text("text"),
        target.text("span1_text"),
        target.integer("span1_index"),
        target.text("span2_text"),
        target.integer("span2_index"),
        row.boolean("label"),
        candidates,
    )


_PARSERS: dict[str, Callable[[Row], Any]] = {
    "BoolQ": _boolq,
    "CB": _entailment(spec_of("CB").labels),
    "COPA": _copa,
    "MultiRC": _multirc,
    "ReCoRD": _record,
    "RTE": _entailment(spec_of("RTE").labels),
    "WiC": _wic,
    "WSC": _wsc,
}
