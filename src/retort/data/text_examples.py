"""Examples of encoders and encoder-decoders as arrays: framed, shortened, on disk and back."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import numpy as np

from retort.data.glue.formats import GlueExample
from retort.data.layouts import Layout
from retort.data.seq2seq.formats import TextPair
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.files import atomic_path, read_json, verify, write_json


@dataclass(frozen=True)
class ClassExample:
    """A sentence or pair of sentences with its class or score.

    Attributes:
        key: unique; signals and predictions are filed under it.
        tokens: int32 [S], special tokens included.
        second: where the second sentence begins; S where there is none.
        label: class index, or the score of a regression (then a float).
    """

    key: str
    tokens: np.ndarray
    second: int
    label: int | float

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class PairExample:
    """A source text with its target.

    Attributes:
        key: unique; signals and generated texts are filed under it.
        source, target: int32 [S] and [T], special tokens included; ``target`` are the labels.
        references: the right texts, which generated ones are compared with.
    """

    key: str
    source: np.ndarray
    target: np.ndarray
    references: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source) + len(self.target)


Item = TypeVar("Item")


def encode_classes(
    examples: Iterable[GlueExample], tokenizer: TextTokenizer, layout: Layout, max_length: int
) -> list[ClassExample]:
    """Frame GLUE examples as ``[CLS] a [SEP]`` or ``[CLS] a [SEP] b [SEP]``.

    What exceeds ``max_length`` goes word by word from the end of the longer sentence (of the second on a
    tie), as in BERT's own scripts.

    Raises:
        InputError: ``max_length`` leaves no room for a word of each sentence.
    """
    (cls,), (sep,) = layout.source
    encoded = []
    for example in examples:
        words = [tokenizer.ids(example.first)]
        words += [] if example.second is None else [tokenizer.ids(example.second)]
        room = max_length - 1 - len(words)
        if room < len(words):
            raise InputError(f"max_length {max_length} leaves no room for words; raise it")
        _shorten(words, room)
        rows = [[cls, *words[0], sep], *([*row, sep] for row in words[1:])]
        tokens = np.array([token for row in rows for token in row], dtype=np.int32)
        encoded.append(ClassExample(example.key, tokens, len(rows[0]), example.label))
    return encoded


def encode_pairs(
    pairs: Iterable[TextPair], tokenizer: TextTokenizer, layout: Layout, max_source: int, max_target: int
) -> list[PairExample]:
    """Frame text pairs; texts are cut off at the right, what stands around them stays whole.

    Args:
        pairs: the texts.
        tokenizer, layout: of the model family.
        max_source, max_target: longest sequences, special tokens included.

    Raises:
        InputError: a length leaves no room for words.
    """
    return [
        PairExample(
            pair.key,
            framed(tokenizer.ids(pair.source), layout.source, max_source),
            framed(tokenizer.ids(pair.references[0]), layout.target, max_target),
            pair.references,
        )
        for pair in pairs
    ]


def framed(
    words: Sequence[int] | np.ndarray, around: tuple[tuple[int, ...], tuple[int, ...]], longest: int
) -> np.ndarray:
    """Ids int32 [at most ``longest``]: what comes before, the words as far as there is room, and the rest.

    Raises:
        InputError: there is no room for any word.
    """
    before, after = around
    room = longest - len(before) - len(after)
    if room < 1:
        raise InputError(f"length {longest} leaves no room for words; raise it")
    return np.array([*before, *words[:room], *after], dtype=np.int32)


def save_texts(folder: Path, name: str, examples: Sequence[ClassExample] | Sequence[PairExample]) -> None:
    """Write ``<name>.npz`` (all rows end to end) and ``<name>.json`` (keys, references) to ``folder``."""
    arrays: dict[str, np.ndarray] = {}
    head: dict[str, Any] = {"keys": [example.key for example in examples]}
    first = [e.tokens if isinstance(e, ClassExample) else e.source for e in examples]
    arrays |= flat("source", first)
    if isinstance(examples[0], PairExample):
        arrays |= flat("target", [e.target for e in examples if isinstance(e, PairExample)])
        head["references"] = [list(e.references) for e in examples if isinstance(e, PairExample)]
    else:
        found = [(e.second, e.label) for e in examples if isinstance(e, ClassExample)]
        arrays["second"] = np.array([second for second, _ in found], dtype=np.int64)
        scores = isinstance(found[0][1], float)
        arrays["label"] = np.array([label for _, label in found], dtype=np.float64 if scores else np.int64)
    with atomic_path(folder / f"{name}.npz") as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    write_json(folder / f"{name}.json", head)


def load_classes(folder: Path, name: str) -> list[ClassExample]:
    """Read classification examples that :func:`save_texts` wrote.

    Raises:
        InputError: a file is missing.
    """
    head, arrays = stored(folder, name)
    columns = (head["keys"], rows_of(arrays, "source"), arrays["second"], arrays["label"])
    return [
        ClassExample(key, tokens, int(second), label.item())
        for key, tokens, second, label in zip(*columns, strict=True)
    ]


def load_pairs(folder: Path, name: str) -> list[PairExample]:
    """Read text pairs that :func:`save_texts` wrote.

    Raises:
        InputError: a file is missing.
    """
    head, arrays = stored(folder, name)
    columns = (head["keys"], rows_of(arrays, "source"), rows_of(arrays, "target"), head["references"])
    return [
        PairExample(key, source, target, tuple(references))
        for key, source, target, references in zip(*columns, strict=True)
    ]


def sample_of(examples: Sequence[Item], most: int | None) -> list[Item]:
    """A seeded random subset of ``most`` examples in their old order; all of them for ``None``."""
    if most is None or len(examples) <= most:
        return list(examples)
    return [examples[index] for index in sorted(Random(0).sample(range(len(examples)), most))]


def _shorten(words: list[list[int]], room: int) -> None:
    """Cut the rows to ``room`` words in all, a word at a time from the longest, the last one on a tie."""
    sizes = [len(row) for row in words]
    for _ in range(sum(sizes) - room):
        sizes[max(range(len(sizes)), key=lambda index: (sizes[index], index))] -= 1
    for row, size in zip(words, sizes, strict=True):
        del row[size:]


def flat(name: str, rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Rows as one array, and their lengths."""
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    return {name: np.concatenate(rows), f"{name}_length": sizes}


def rows_of(arrays: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The rows that :func:`flat` joined."""
    edges = np.concatenate([[0], np.cumsum(arrays[f"{name}_length"])]).tolist()
    return [arrays[name][a:b] for a, b in pairwise(edges)]


def stored(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What ``<name>.json`` and ``<name>.npz`` hold.

    Raises:
        InputError: a file is missing or damaged.
        RetortError: a file has been damaged since it was written.
    """
    head: dict[str, Any] = read_json(folder / f"{name}.json")
    path = folder / f"{name}.npz"
    if not path.exists():
        raise InputError(f"{path}: no such file; run the step that encodes the tasks first")
    verify(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return head, dict(arrays)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); remove its folder and encode the text again") from None
