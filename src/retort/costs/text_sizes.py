"""How much text the papers on transformers models read, by what is known about it."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass

from retort.config.loading import REPOSITORY
from retort.config.model import Config
from retort.data.glue.tasks import SPECS as GLUE
from retort.texts import named_texts, paper_section, text_names

OFFICIAL = REPOSITORY / "resources" / "paper" / "cka" / "task_sizes.csv"
"""Examples of the official files, and mean tokens of a source and a target."""

_GENERATED_SOURCE, _GENERATED_TARGET = 24.0, 14.0
"""Mean tokens of the generated world's texts."""


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
    for part, paper, _, track, task, settings in named_texts(config):
        if task is None or settings is None:
            words[names[part]] = track.vocabulary.size
            continue
        section = paper_section(config, paper)
        if section.pocket is not None and config.data.source == "pocket":
            sizes = section.pocket
            train, dev = (sizes.glue, sizes.glue_dev) if task in GLUE else (sizes.pairs, sizes.pairs_dev)
            source, target = _GENERATED_SOURCE, 0.0 if task in GLUE else _GENERATED_TARGET
        else:
            train, dev, source, target = official()[task]
        tasks[names[part]] = TextSize(
            min(train, section.limits.train or train),
            min(dev, section.limits.dev or dev),
            min(source, settings.source) + min(target, settings.target or 0),
        )
    return tasks, words


@functools.cache
def official() -> dict[str, tuple[int, int, float, float]]:
    """Training and validation examples of the official files, mean tokens of a source and a target."""
    with OFFICIAL.open(encoding="utf-8", newline="") as stream:
        return {
            row["task"]: (int(row["train"]), int(row["dev"]), float(row["source"]), float(row["target"]))
            for row in csv.DictReader(stream)
        }
