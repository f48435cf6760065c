"""Reading and writing text pairs: summaries as JSON lines, translations as two line-aligned files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.seq2seq.tasks import spec_of
from retort.data.superglue.rows import Row, read_rows
from retort.errors import InputError
from retort.files import write_lines


@dataclass(frozen=True)
class TextPair:
    """One source text and what should come out.

    Attributes:
        key: ``task/split/line``, unique; generated texts are filed under it.
        references: right answers; the first is the one that is trained on.
    """

    key: str
    source: str
    references: tuple[str, ...]


def files_of(task: str, split: str, root: Path) -> tuple[Path, ...]:
    """The official file or files of one split (``train`` or ``val``) in a data folder."""
    spec = spec_of(task)
    suffixes = ("jsonl",) if spec.kind == "summarisation" else ("src", "tgt")
    return tuple(root / spec.folder / f"{split}.{suffix}" for suffix in suffixes)


def read_pairs(task: str, split: str, *paths: Path) -> list[TextPair]:
    """Read every pair of one split, in file order.

    Summaries: JSON lines with ``document`` and ``summary``, and all right ones in ``references`` where there
    are several. Translations: line *n* of the second file translates line *n* of the first. Training pairs
    with an empty side, which large parallel corpora have, teach nothing and are left out; elsewhere they
    are an error.

    Args:
        task: name of the set.
        split: ``train`` or ``val``.
        paths: as :func:`files_of` gives them.

    Raises:
        InputError: a malformed line, files of different length, or no pair at all.
    """
    if spec_of(task).kind == "summarisation":
        (path,) = paths
        pairs = [_summary(f"{task}/{split}", row) for row in read_rows(path)]
    else:
        pairs = list(_translations(task, split, *paths))
    if not pairs:
        raise InputError(f"{paths[0]}: holds no pairs; check the download")
    return pairs


def write_pairs(task: str, split: str, root: Path, pairs: Iterable[TextPair]) -> tuple[Path, ...]:
    """Write one split of a set in the official layout under ``root``; returns its files."""
    paths, pairs = files_of(task, split, root), list(pairs)
    if spec_of(task).kind == "summarisation":
        write_lines(paths[0], [json.dumps(_as_json(pair), ensure_ascii=False) for pair in pairs])
    else:
        write_lines(paths[0], [_one_line(pair.source) for pair in pairs])
        write_lines(paths[1], [_one_line(pair.references[0]) for pair in pairs])
    return paths


def hub_pairs(task: str, split: str, rows: Iterable[Mapping[str, Any]], place: str) -> list[TextPair]:
    """Pairs from hub rows, in their order.

    Args:
        task: name of a set with a place on the hub.
        split: our name of the split.
        rows: hub rows.
        place: name of the repository and split for error messages.

    Raises:
        InputError: the set has no place on the hub, or a column is missing.
    """
    hub = spec_of(task).place_on_hub().columns
    pairs = []
    for number, row in enumerate(rows):
        try:
            texts = row["translation"] if spec_of(task).kind == "translation" else row
            source, target = (texts[name].strip() for name in hub)
        except KeyError as error:
            raise InputError(f"{place}: column {error} is missing; is it {task}?") from None
        if source and target:  # XSum has articles without text
            pairs.append(TextPair(f"{task}/{split}/{number}", source, (target,)))
    return pairs


def _summary(prefix: str, row: Row) -> TextPair:
    document, summary = row.text("document").strip(), row.text("summary").strip()
    references: tuple[str, ...] = (summary,)
    if row.has("references"):
        references = row.texts("references")
        if summary not in references:
            raise row.fail("references", "does not hold the summary; add it")
        references = (summary, *(text for text in references if text != summary))
    return TextPair(f"{prefix}/{row.number}", document, references)


def _translations(task: str, split: str, source: Path, target: Path) -> Iterator[TextPair]:
    sources, targets = (_text_lines(path) for path in (source, target))
    if len(sources) != len(targets):
        counts = f"{len(targets)} lines, but {source.name} has {len(sources)}"
        raise InputError(f"{target}: {counts}; align the files line by line")
    for number, (one, other) in enumerate(zip(sources, targets, strict=True), 1):
        if one and other:
            yield TextPair(f"{task}/{split}/{number}", one, (other,))
        elif split != "train":
            path = target if one else source
            raise InputError(f"{path}:{number}: the line is empty; remove it from both files")


def _text_lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the data folder") from None
    lines = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
        try:
            lines.append(line.decode("utf-8").strip())
        except UnicodeDecodeError:
            raise InputError(f"{path}:{number}: not UTF-8; convert the file") from None
    return lines


def _as_json(pair: TextPair) -> dict[str, Any]:
    line: dict[str, Any] = {"id": pair.key, "document": pair.source, "summary": pair.references[0]}
    return line | ({"references": list(pair.references)} if len(pair.references) > 1 else {})


def _one_line(text: str) -> str:
    return " ".join(text.split())
