"""Names of the data: the corpus and each task by itself, raw and encoded.

Each part lies in a folder named after all that decides its bytes besides code. So another limit or length of
a task encodes that task anew and pretrains nothing again, and a value that is set back finds the old folder.
"""

from __future__ import annotations

from typing import Any

from retort.config.model import Config
from retort.files import digest_of

CORPUS = "corpus"
"""No task: the pretraining text, and the vocabulary with its frequencies, which count this alone."""


def raw_names(config: Config) -> dict[str, str]:
    """Folder of raw data by part: :data:`CORPUS` first, then the tasks of the configuration."""
    return {part: _name(part, _origin(config, part)) for part in (CORPUS, *config.tasks)}


def text_names(config: Config) -> dict[str, str]:
    """Folder of encoded text by part, like :func:`raw_names`."""
    limits, lengths = config.data.limits, config.task_training.max_length
    vocabulary = config.data.vocabulary.model_dump(mode="json")
    raw = raw_names(config)
    corpus = _name(CORPUS, [raw.pop(CORPUS), vocabulary, limits.corpus])
    tasks = {
        task: _name(task, [corpus, name, limits.train, limits.dev, lengths[task]])  # type: ignore[index]
        for task, name in raw.items()
    }
    return {CORPUS: corpus} | tasks


def part_of(name: str) -> str:
    """The part whose folder has a name."""
    return name.partition(".")[0]


def _name(part: str, made_of: Any) -> str:
    return f"{part}.{digest_of(made_of)}"


def _origin(config: Config, part: str) -> list[Any]:
    """What a part's raw data follows from."""
    data, whole = config.data, part == CORPUS
    vocabulary = [data.vocabulary.vocab_txt] if whole else []
    if data.source == "pocket":
        assert data.pocket is not None
        sizes = [data.pocket.documents] if whole else [data.pocket.train_size, data.pocket.dev_size]
        return ["pocket", data.pocket.world_seed, *sizes, *vocabulary]
    if data.source == "folder":
        return ["folder", config.data_root, *vocabulary]
    assert data.hub is not None
    if whole:
        corpora = [corpus.model_dump(mode="json") for corpus in data.hub.corpus]
        return ["hub", corpora, data.hub.tokenizer, *vocabulary]
    return ["hub", data.hub.superglue, data.hub.superglue_revision]
