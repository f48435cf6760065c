"""Encoded task examples on disk: flat arrays with offsets beside a JSON file of keys and labels."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from retort.data.examples import ClozeExample, GLMExample
from retort.errors import InputError
from retort.files import atomic_path, read_json, verify, write_json


def save_examples(folder: Path, name: str, examples: Sequence[ClozeExample]) -> None:
    """Write ``<name>.npz`` and ``<name>.json`` to ``folder``."""
    rows = [row for example in examples for row in example.candidates]
    arrays = {
        "tokens": np.concatenate([row.tokens for row in rows]),
        "targets": np.concatenate([row.targets for row in rows]),
        "positions": np.concatenate([row.positions for row in rows], axis=1),
        "predicted": np.concatenate([row.predicted for row in rows]),
        "length": np.array([len(row) for row in rows], dtype=np.int64),
        "sep": np.array([row.sep for row in rows], dtype=np.int64),
        "candidates": np.array([len(example.candidates) for example in examples], dtype=np.int64),
        "label": np.array([example.label for example in examples], dtype=np.int64),
    }
    with atomic_path(folder / f"{name}.npz") as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    head = {
        "keys": [example.key for example in examples],
        "verbalizers": examples[0].verbalizers,
        "meta": [example.meta for example in examples],
    }
    write_json(folder / f"{name}.json", head)


def load_examples(folder: Path, name: str) -> list[ClozeExample]:
    """Read what :func:`save_examples` wrote.

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
        return _examples(head, path)
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); remove its folder and encode the text again") from None


def _examples(head: dict[str, Any], path: Path) -> list[ClozeExample]:
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    edges = np.concatenate([[0], np.cumsum(arrays["length"])]).tolist()
    rows = [
        GLMExample(
            arrays["tokens"][a:b],
            arrays["positions"][:, a:b],
            int(sep),
            arrays["targets"][a:b],
            arrays["predicted"][a:b],
        )
        for (a, b), sep in zip(pairwise(edges), arrays["sep"], strict=True)
    ]
    counts = np.concatenate([[0], np.cumsum(arrays["candidates"])]).tolist()
    verbalizers = None if head["verbalizers"] is None else tuple(head["verbalizers"])
    return [
        ClozeExample(key, tuple(rows[a:b]), int(label), verbalizers, meta)
        for key, (a, b), label, meta in zip(
            head["keys"], pairwise(counts), arrays["label"], head["meta"], strict=True
        )
    ]


def limit(examples: Sequence[ClozeExample], most: int | None) -> list[ClozeExample]:
    """A seeded random subset of about ``most`` examples in their old order.

    Answers to one question (MultiRC) stay together, because their metric is by question.
    """
    if most is None or len(examples) <= most:
        return list(examples)
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(str(example.meta.get("question", index)), []).append(index)
    order = list(groups.values())
    Random(0).shuffle(order)
    chosen: list[int] = []
    for group in order:
        if chosen and len(chosen) + len(group) > most:
            break
        chosen.extend(group)
    return [examples[index] for index in sorted(chosen)]
