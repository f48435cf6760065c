"""Reading and writing the official labelled GLUE files.

Tab-separated, UTF-8, quoting *off* (fields hold bare double quotes), lines end at ``\\n`` only. Columns are
found by name, because MNLI's dev files have more of them than its training file. What is known to be
irregular in the official files is read as the community's loaders read it: MRPC's files begin with a byte
order mark, a few lines of QQP were torn by line breaks inside a question and are left out, and so are
MNLI's pairs without a majority label (``-``). Anything else that is malformed stops the reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retort.data.glue.tasks import GlueSpec, spec_of
from retort.errors import InputError

_MOST_TORN = 10
"""Torn lines that a QQP file may have; the official ones have a few."""


@dataclass(frozen=True)
class GlueExample:
    """One labelled sentence or pair of sentences.

    Attributes:
        key: ``task/split/line``, unique; predictions are filed under it.
        second: ``None`` for tasks with one sentence.
        label: index of the class in ``spec.labels``, or the score of a regression.
    """

    key: str
    first: str
    second: str | None
    label: int | float


def read_glue(task: str, split: str, path: Path | str) -> list[GlueExample]:
    """Read every example of one labelled official file, in file order.

    Args:
        task: official task name.
        split: our name of the split: ``train``, ``val`` or, of MNLI, ``val_mismatched``.
        path: the file.

    Raises:
        InputError: a missing column, a malformed line (named with its number), or a file without examples.
    """
    spec = spec_of(task)
    lines = _lines(path)
    columns = list(spec.header) if spec.headerless else _header(spec, path, lines)
    examples: list[GlueExample] = []
    torn = 0
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(columns):
            torn += 1
            if task != "QQP" or len(fields) > len(columns) or torn > _MOST_TORN:
                raise InputError(
                    f"{path}:{number}: {len(fields)} tab-separated fields, not {len(columns)}; mend the line"
                )
            continue
        row = dict(zip(columns, fields, strict=True))
        if task == "MNLI" and row[spec.label] == "-":
            continue
        examples.append(_example(spec, split, f"{path}:{number}", number, row))
    if not examples:
        raise InputError(f"{path}: holds no examples; check the download")
    return examples


def official_lines(task: str, examples: Iterable[GlueExample]) -> Iterator[str]:
    """Examples as the lines of an official file, header included; columns that nobody reads say ``none``.

    Tabs and line breaks inside a text become spaces, as the layout has no way to write them.
    """
    spec = spec_of(task)
    if not spec.headerless:
        yield "\t".join(spec.header)
    for number, example in enumerate(examples):
        row = dict.fromkeys(spec.header, "none")
        if spec.header[0] in ("index", "id"):
            row[spec.header[0]] = str(number)
        texts = [example.first] if example.second is None else [example.first, example.second]
        row |= {name: " ".join(text.split()) for name, text in zip(spec.texts, texts, strict=True)}
        row[spec.label] = spec.labels[int(example.label)] if spec.labels else f"{example.label:.3f}"
        yield "\t".join(row[name] for name in spec.header)


def _lines(path: Path | str) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is not blank, without byte order mark and carriage return."""
    try:
        content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the data folder") from None
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            text = line.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError:
            raise InputError(f"{path}:{number}: not UTF-8; convert the file") from None
        if text.strip():
            yield number, text


def _header(spec: GlueSpec, path: Path | str, lines: Iterator[tuple[int, str]]) -> list[str]:
    number, line = next(lines, (1, ""))
    columns = line.split("\t")
    missing = [name for name in (*spec.texts, spec.label) if name not in columns]
    if missing:
        raise InputError(
            f"{path}:{number}: column {missing[0]!r} is missing; use the official labelled {spec.name} file "
            "with its header line"
        )
    return columns


def _example(spec: GlueSpec, split: str, place: str, number: int, row: dict[str, str]) -> GlueExample:
    for name in spec.texts:
        if not row[name].strip():
            raise InputError(f"{place}: field '{name}' is empty; give a text or remove the line")
    texts = [row[name].strip() for name in spec.texts]
    label = _label(spec, place, row[spec.label].strip())
    return GlueExample(f"{spec.name}/{split}/{number}", texts[0], texts[1] if len(texts) > 1 else None, label)


def _label(spec: GlueSpec, place: str, value: str) -> int | float:
    if spec.range is None:
        if value not in spec.labels:
            allowed = ", ".join(spec.labels)
            raise InputError(f"{place}: field '{spec.label}' is {value!r:.40}, not one of {allowed}")
        return spec.labels.index(value)
    least, greatest = spec.range
    try:
        score = float(value)
    except ValueError:
        score = float("nan")
    if not least <= score <= greatest:
        raise InputError(
            f"{place}: field '{spec.label}' is {value!r:.40}, not a number from {least:g} to {greatest:g}"
        )
    return score
