"""What no single line of a task's files shows: scores from them would mean nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retort.data.superglue.formats import read_records
from retort.data.superglue.records import MultiRCRecord, ReCoRDRecord
from retort.data.superglue.rows import read_rows
from retort.errors import InputError

_FEW = 20
"""Lines that may by accident all have one label."""
_MOST = 0.5
"""Share of dev above which a flaw is no accident; in official data it is 0."""


def check_apart(files: Mapping[str, str]) -> None:
    """Refuse to score a model on what it was trained on.

    Args:
        files: labelled file of each split.

    Raises:
        InputError: most lines of dev are lines of training, whatever their ``idx``.
    """
    train, dev = ({_content(row.as_dict()) for row in read_rows(files[split])} for split in ("train", "val"))
    shared = len(dev & train)
    if shared > _MOST * len(dev):
        raise InputError(
            f"{files['val']}: {shared} of {len(dev)} lines are in {Path(files['train']).name}, too; "
            "give the official file, scores on examples of training mean nothing"
        )


def check_labels(task: str, path: str) -> None:
    """Refuse a file whose lines all have one label, as they get where ``bool("false")`` is taken for false.

    Args:
        task: official task name.
        path: labelled file.

    Raises:
        InputError: there are enough lines for this to be no accident.
    """
    labels = [label for record in read_records(task, path) for label in _labels(record)]
    if len(labels) >= _FEW and len(set(labels)) == 1:
        raise InputError(
            f"{path}: field 'label' is {labels[0]!r} in all {len(labels)} examples; "
            "give the official file, or mend what wrote this one"
        )


def _labels(record: Any) -> list[Any]:
    if isinstance(record, ReCoRDRecord):
        return []
    if isinstance(record, MultiRCRecord):
        return [answer.label for question in record.questions for answer in question.answers]
    return [record.label]


def check_spans(path: str) -> None:
    """Refuse spans of ReCoRD whose ends are exclusive, as some copies of the data have them.

    Args:
        path: labelled file.

    Raises:
        InputError: most queries have no answer among the entities of their passage.
    """
    found = []
    for record in read_records("ReCoRD", path):
        entities = {record.passage[start : end + 1] for start, end in record.entities}
        found += [not entities.isdisjoint(query.answers) for query in record.queries]
    misses = found.count(False)
    if misses > _MOST * len(found):
        raise InputError(
            f"{path}: {misses} of {len(found)} queries have no answer among the entities; "
            "write the spans as the official files do, their ends inclusive"
        )


def _content(value: dict[str, Any]) -> int:
    """What a line says, as a number: texts of all lines would take much memory."""
    return hash(json.dumps(_without_idx(value), sort_keys=True))


def _without_idx(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_idx(inner) for name, inner in value.items() if name != "idx"}
    return [_without_idx(inner) for inner in value] if isinstance(value, list) else value
