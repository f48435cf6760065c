"""How much text the papers on transformers models read: measured where it is encoded, else expected."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

from retort.config.loading import REPOSITORY
from retort.config.model import Config
from retort.config.texts import Instructions, TextPaper, Track
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.instructions.sets import spec_of
from retort.files import read_json
from retort.texts import INSTRUCTIONS, encoded_parts, pocket_split, text_names

if TYPE_CHECKING:
    from retort.layout import Layout

OFFICIAL = REPOSITORY / "resources" / "paper" / "cka" / "task_sizes.csv"
"""Examples of the official files, and mean tokens of a source and a target."""

_BATCH = 16
"""Rows of which the longest is looked for."""

_AROUND = 2
"""Tokens around the words of a sample."""

_DRAWN, _STRIDE = 512, 199
"""Documents that are looked at of each corpus; a number that has no divisor in common with it."""

_SPREAD = 1.6
"""Longest of a batch by the mean, of natural texts that nothing cuts off."""

_GENERATED_CLASSES, _GENERATED_PAIRS = (17.0, 1.1), ((28.0, 1.2), (12.0, 1.1))
_GENERATED_DOCUMENT = 14.0
"""Mean tokens of the generated world's texts, and of the longest in a batch by that."""

_ALPACA, _OPEN, _FEW_SHOT = 52_000, 250, 10_000
"""Instructions of the ATKD paper's training set, of one of its open sets and of a few-shot one."""

_PROMPT, _SHOTS, _RESPONSE = 40.0, 250.0, 160.0
"""Mean tokens of its instructions, of few-shot ones, and of responses; of generated ones a part."""

_GENERATED_PROMPT, _GENERATED_SHOTS, _GENERATED_RESPONSE = 20.0, 77.0, 6.0

_WEB_DOCUMENT, _WEB_DOCUMENTS = 480.0, 10_000_000
"""Mean tokens of a document of C4, and how many are read unless a limit says less."""


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of a text, and of the longest in a batch."""

    mean: float
    longest: float

    def padded(self, limit: int, padding: str) -> float:
        """Tokens of a row."""
        return float(limit) if padding == "fixed" else min(self.longest, float(limit))


NONE = Lengths(0.0, 0.0)


@dataclass(frozen=True)
class SetSize:
    """Examples of a set that models are judged by, and the prompts of these."""

    dev: float
    prompt: Lengths
    response: Lengths


@dataclass(frozen=True)
class TextSize:
    """A task of transformers models.

    Attributes:
        train, dev: examples.
        source, target: texts that are read, and written; of instructions prompts and responses.
        sets: those that instructions are judged by, by name.
    """

    train: float
    dev: float
    source: Lengths
    target: Lengths = NONE
    sets: Mapping[str, SetSize] = field(default_factory=dict)


@dataclass(frozen=True)
class WordsSize:
    """Words of a track.

    Attributes:
        rows: of its word table.
        documents, tokens: of its corpora.
        drawn: tokens of some documents, in the order of a batch.
    """

    rows: int
    documents: float
    tokens: float
    drawn: tuple[int, ...]

    def sample(self, length: int) -> Lengths:
        """Tokens of a pretraining sample, with what stands around the words."""
        return _lengths([min(document + _AROUND, length) for document in self.drawn])


def _lengths(texts: Sequence[int]) -> Lengths:
    batches = [texts[first : first + _BATCH] for first in range(0, len(texts), _BATCH)]
    return Lengths(fmean(texts), fmean(map(max, batches)))


def text_sizes(
    config: Config, layout: Layout | None = None
) -> tuple[dict[str, TextSize], dict[str, WordsSize]]:
    """Sizes of tasks and of words, by the names of their encoded folders.

    Args:
        config: a complete configuration.
        layout: of its results; what is encoded there is measured. ``None``: all is expected.
    """
    names = text_names(config)
    tasks: dict[str, TextSize] = {}
    words: dict[str, WordsSize] = {}
    for part, encoded in encoded_parts(config).items():
        name, section, track, task = names[part], config.section(encoded.paper), encoded.track, encoded.task
        if section is None or track is None:
            continue
        folder = None if layout is None else layout.text(name)
        made = folder is not None and (folder / "summary.json").is_file()
        if task is None:
            words[name] = _measured_words(folder) if made and folder else _words(config, section, track)
        elif made and folder:
            tasks[name] = _measured(folder, track.instructions if task == INSTRUCTIONS else None)
        elif task == INSTRUCTIONS:
            tasks[name] = _instructions(config, section, track)
        else:
            tasks[name] = _task(config, section, track, task)
    return tasks, words


# Measured


def _measured_words(folder: Path) -> WordsSize:
    import numpy as np

    summary = read_json(folder / "summary.json")
    drawn: list[int] = []
    for path in sorted(folder.glob("corpus/*/offsets.npy")):
        offsets = np.load(path, mmap_mode="r")
        drawn += np.diff(offsets[: _DRAWN + 1]).tolist()
    return WordsSize(summary["vocabulary"], summary["documents"], summary["tokens"], tuple(drawn))


def _measured(folder: Path, instructions: Instructions | None) -> TextSize:
    if instructions is None:
        return _measured_task(folder)
    return _measured_prompts(folder, instructions.train, instructions.sets)


@functools.cache
def _measured_task(folder: Path) -> TextSize:
    train, read, written = _split(folder / "train.npz", "source", "target")
    dev = sum(_split(path, "source", "target")[0] for path in sorted(folder.glob("val*.npz")))
    return TextSize(train, dev, read, written)


@functools.cache
def _measured_prompts(folder: Path, train: tuple[str, ...], sets: tuple[str, ...]) -> TextSize:
    learned = [_split(folder / f"{name}.npz", "prompt", "response") for name in train]
    asked = {name: SetSize(*_split(folder / f"{name}.npz", "prompt", "response")) for name in sets}
    count = sum(examples for examples, _, _ in learned)
    prompts = _together([(examples, prompt) for examples, prompt, _ in learned])
    responses = _together([(examples, response) for examples, _, response in learned])
    return TextSize(count, sum(one.dev for one in asked.values()), prompts, responses, asked)


def _split(path: Path, *columns: str) -> tuple[float, Lengths, Lengths]:
    """Examples of a file, and the lengths of two of its columns, the second of which may be missing."""
    import numpy as np

    with np.load(path, allow_pickle=False) as stored:
        found = [stored[f"{name}_length"] for name in columns if f"{name}_length" in stored.files]
    first = np.arange(0, len(found[0]), _BATCH)
    lengths = [Lengths(float(one.mean()), float(np.maximum.reduceat(one, first).mean())) for one in found]
    return float(len(found[0])), lengths[0], lengths[1] if len(lengths) > 1 else NONE


def _together(parts: list[tuple[float, Lengths]]) -> Lengths:
    """Of shuffled parts of unequal lengths: means by examples, but of batches the longest part's."""
    count = sum(examples for examples, _ in parts)
    mean = sum(examples * lengths.mean for examples, lengths in parts) / count
    share = sum(examples * lengths.longest for examples, lengths in parts) / count
    often = max(lengths.longest * min(1.0, _BATCH * examples / count) for examples, lengths in parts)
    return Lengths(mean, max(share, often))


# Expected


def _words(config: Config, section: TextPaper, track: Track) -> WordsSize:
    if config.data.source == "pocket" and section.pocket is not None:
        sizes = section.pocket
        each = sizes.documents if not track.languages else sizes.multilingual or 0
        drawn = _spread(_GENERATED_DOCUMENT, 0.1)
    else:
        each, drawn = _WEB_DOCUMENTS, _spread(_WEB_DOCUMENT, 1.0)
    documents = min(each, section.limits.corpus or each) * max(1, len(track.languages))
    return WordsSize(track.vocabulary.size, documents, documents * fmean(drawn), drawn)


@functools.cache
def _spread(mean: float, deviation: float) -> tuple[int, ...]:
    """Log-normal lengths with a mean, as if drawn: quantiles in an order that mixes short and long ones."""
    normal = NormalDist(math.log(mean) - deviation**2 / 2, deviation)
    places = ((_STRIDE * i % _DRAWN + 0.5) / _DRAWN for i in range(_DRAWN))
    return tuple(max(1, round(math.exp(normal.inv_cdf(place)))) for place in places)


def _task(config: Config, section: TextPaper, track: Track, task: str) -> TextSize:
    settings, limits = track.tasks[task], section.limits
    lengths = settings.source, settings.target or 0
    if config.data.source == "pocket" and section.pocket is not None:
        split = pocket_split(section.pocket, task)
        train, dev = float(split.train), float(split.dev)
        found = (_GENERATED_CLASSES, (0.0, 1.0)) if task in GLUE else _GENERATED_PAIRS
    else:
        train, dev, source, target = official()[task]
        found = (source, _SPREAD), (target, _SPREAD)
    source_size, target_size = (_cut(*one, limit) for one, limit in zip(found, lengths, strict=True))
    return TextSize(min(train, limits.train or train), min(dev, limits.dev or dev), source_size, target_size)


def _cut(mean: float, spread: float, limit: int) -> Lengths:
    return Lengths(min(mean, float(limit)), min(spread * mean, float(limit)))


def _instructions(config: Config, section: TextPaper, track: Track) -> TextSize:
    settings, limits = track.instructions, section.limits
    assert settings is not None
    split = section.pocket.instructions if config.data.source == "pocket" and section.pocket else None
    if split is None:
        train, prompt, shots, response = float(_ALPACA), _PROMPT, _SHOTS, _RESPONSE
    else:
        train, prompt, shots = float(split.train), _GENERATED_PROMPT, _GENERATED_SHOTS
        response = _GENERATED_RESPONSE
    left = settings.length - min(int(prompt), settings.prompt)
    written = _cut(response, _SPREAD, left)
    sets = {}
    for name in settings.sets:
        few = spec_of(name).role == "understanding"
        dev = float(split.dev if split else _FEW_SHOT if few else _OPEN)
        asked = _cut(shots if few else prompt, _SPREAD, settings.prompt)
        sets[name] = SetSize(min(dev, limits.dev or dev), asked, Lengths(2.0, 2.0) if few else written)
    each = min(train, limits.train or train) * len(settings.train)
    dev = sum(one.dev for one in sets.values())
    return TextSize(each, dev, _cut(prompt, _SPREAD, settings.prompt), written, sets)


@functools.cache
def official() -> dict[str, tuple[float, float, float, float]]:
    """Training and validation examples of the official files, mean tokens of a source and a target."""
    with OFFICIAL.open(encoding="utf-8", newline="") as stream:
        return {
            row["task"]: (float(row["train"]), float(row["dev"]), float(row["source"]), float(row["target"]))
            for row in csv.DictReader(stream)
        }
