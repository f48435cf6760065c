"""How much text the papers on transformers models read, by what is known about it."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass

from retort.config.loading import REPOSITORY
from retort.config.model import Config
from retort.config.texts import Track
from retort.texts import INSTRUCTIONS, named_texts, paper_section, pocket_split, text_names

OFFICIAL = REPOSITORY / "resources" / "paper" / "cka" / "task_sizes.csv"
"""Examples of the official files, and mean tokens of a source and a target."""

_GENERATED_SOURCE, _GENERATED_TARGET = 24.0, 14.0
"""Mean tokens of the generated world's texts."""


_INSTRUCTIONS = (52_000, 300)
"""Of the ATKD paper's training set, and of one of its evaluation sets."""


@dataclass(frozen=True)
class TextSize:
    """Examples of a task of transformers models, and mean tokens of one, source and target together."""

    train: float
    dev: float
    tokens: float


def expected_texts(config: Config) -> tuple[dict[str, TextSize], dict[str, int]]:
    """Sizes of tasks by the name of their encoded folder, and rows of word tables by that of the words."""
    names = text_names(config)
    tasks: dict[str, TextSize] = {}
    words: dict[str, int] = {}
    for part, paper, track, task in named_texts(config):
        if task is None:
            words[names[part]] = track.vocabulary.size
        else:
            tasks[names[part]] = _task(config, paper, track, task)
    return tasks, words


def _task(config: Config, paper: str, track: Track, task: str) -> TextSize:
    section = paper_section(config, paper)
    generated = section.pocket if config.data.source == "pocket" else None
    if task == INSTRUCTIONS:
        assert track.instructions is not None
        split = None if generated is None else generated.instructions
        train, dev = _INSTRUCTIONS if split is None else (split.train, split.dev)
        dev, source, target = dev * len(track.instructions.sets), float(track.instructions.length), 0.0
        lengths = (track.instructions.length, 0)
    else:
        settings = track.tasks[task]
        lengths = (settings.source, settings.target or 0)
        if generated is None:
            train, dev, source, target = official()[task]
        else:
            split = pocket_split(generated, task)
            train, dev, source, target = split.train, split.dev, _GENERATED_SOURCE, _GENERATED_TARGET
    limits = section.limits
    return TextSize(
        min(train, limits.train or train),
        min(dev, limits.dev or dev),
        min(source, lengths[0]) + min(target, lengths[1]),
    )


@functools.cache
def official() -> dict[str, tuple[int, int, float, float]]:
    """Training and validation examples of the official files, mean tokens of a source and a target."""
    with OFFICIAL.open(encoding="utf-8", newline="") as stream:
        return {
            row["task"]: (int(row["train"]), int(row["dev"]), float(row["source"]), float(row["target"]))
            for row in csv.DictReader(stream)
        }
