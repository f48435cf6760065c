"""Names of the data: corpora and each task by itself, raw and encoded.

Each part lies in a folder named after all that decides its bytes besides code. So another limit or length of
a task encodes that task anew and pretrains nothing again, and a value that is set back finds the old folder.

GLMD's parts are :data:`CORPUS` and its tasks. Those of another paper begin with its name: ``cka-corpus`` and
``cka-XSum`` are raw, ``cka-bart`` (words and corpora of a track) and ``cka-bart-XSum`` encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from retort.config.model import Config
from retort.config.texts import TextPaper, TextTask, Track
from retort.data.glue.tasks import SPECS as GLUE
from retort.files import digest_of

CORPUS = "corpus"
"""No task: the pretraining text, and the vocabulary with its frequencies, which count this alone."""

_BETWEEN = "-"


def raw_names(config: Config) -> dict[str, str]:
    """Folder of raw data by part: corpora before tasks."""
    found: dict[str, str] = {}
    if "glmd" in config.papers:
        found |= {part: _name(part, _origin(config, part)) for part in (CORPUS, *config.tasks)}
    for paper in text_papers(config):
        for name in (CORPUS, *text_tasks(config, paper)):
            part = raw_part(paper, name)
            found[part] = _name(part, _text_origin(config, paper, name))
    return found


def text_names(config: Config) -> dict[str, str]:
    """Folder of encoded text by part, words before tasks."""
    found: dict[str, str] = {}
    raw = raw_names(config)
    if "glmd" in config.papers:
        limits, lengths = config.data.limits, config.task_training.max_length
        vocabulary = config.data.vocabulary.model_dump(mode="json")
        found[CORPUS] = _name(CORPUS, [raw[CORPUS], vocabulary, limits.corpus])
        for task in config.tasks:
            origin = [found[CORPUS], raw[task], limits.train, limits.dev, lengths[task]]
            found[task] = _name(task, origin)
    for paper in text_papers(config):
        limits = paper_section(config, paper).limits
        for name, track in paper_section(config, paper).tracks.items():
            words = text_part(paper, name)
            read = [raw[part] for part in words_read(paper, track)]
            vocabulary = track.vocabulary.model_dump(mode="json")
            languages = [*track.languages]
            found[words] = _name(words, [read, track.family, vocabulary, languages, limits.corpus])
            for set_name, settings in track.tasks.items():
                part = text_part(paper, name, set_name)
                origin = [found[words], raw[raw_part(paper, set_name)], limits.train, limits.dev]
                found[part] = _name(part, [*origin, settings.source, settings.target])
    return found


def text_papers(config: Config) -> tuple[str, ...]:
    """The papers of a configuration on transformers models."""
    return tuple(paper for paper in config.papers if paper != "glmd")


def paper_section(config: Config, paper: str) -> TextPaper:
    """A paper's section."""
    found = {"cka": config.cka}[paper]
    assert found is not None
    return found


def text_tasks(config: Config, paper: str) -> tuple[str, ...]:
    """The tasks of all tracks of a paper."""
    return tuple(
        dict.fromkeys(t for track in paper_section(config, paper).tracks.values() for t in track.tasks)
    )


def languages_of(config: Config, paper: str) -> tuple[str, ...]:
    """Languages of all multilingual tracks of a paper."""
    tracks = paper_section(config, paper).tracks.values()
    return tuple(dict.fromkeys(code for track in tracks for code in track.languages))


def raw_part(paper: str, name: str) -> str:
    """The raw part of a paper's corpora or of a task."""
    return _BETWEEN.join((paper, name))


def text_part(paper: str, track: str, task: str | None = None) -> str:
    """The encoded part of a track's words, or of one of its tasks."""
    return _BETWEEN.join((paper, track) if task is None else (paper, track, task))


def words_read(paper: str, track: Track) -> tuple[str, ...]:
    """Raw parts that a track's words are made from: the corpora, and texts that a trained tokenizer knows."""
    pairs = [task for task in track.tasks if task not in GLUE]
    return tuple(raw_part(paper, name) for name in (CORPUS, *pairs))


def named_texts(config: Config) -> Iterator[tuple[str, str, str, Track, str | None, TextTask | None]]:
    """Every encoded part of the text papers: part, paper, name of its track, track, task and its settings."""
    for paper in text_papers(config):
        for name, track in paper_section(config, paper).tracks.items():
            yield text_part(paper, name), paper, name, track, None, None
            for task, settings in track.tasks.items():
                yield text_part(paper, name, task), paper, name, track, task, settings


def paper_of_part(part: str) -> tuple[str, str]:
    """Paper and the rest of a part's name: ``cka-XSum`` is CKA's ``XSum``, ``RTE`` GLMD's."""
    paper, sign, rest = part.partition(_BETWEEN)
    return (paper, rest) if sign else ("glmd", part)


def raw_of_text(part: str) -> str:
    """The raw part that an encoded task is made from."""
    paper, rest = paper_of_part(part)
    return part if paper == "glmd" else raw_part(paper, rest.partition(_BETWEEN)[2])


def part_of(name: str) -> str:
    """The part whose folder has a name."""
    return name.rpartition(".")[0]


def _name(part: str, made_of: Any) -> str:
    return f"{part}.{digest_of(made_of)}"


def _text_origin(config: Config, paper: str, name: str) -> list[Any]:
    """What a part's raw data follows from."""
    data, section = config.data, paper_section(config, paper)
    languages = [*languages_of(config, paper)] if name == CORPUS else []
    if data.source == "pocket":
        assert data.pocket is not None and section.pocket is not None
        sizes = section.pocket
        if name == CORPUS:
            return ["pocket", data.pocket.world_seed, sizes.documents, sizes.multilingual, languages]
        numbers = [sizes.glue, sizes.glue_dev] if name in GLUE else [sizes.pairs, sizes.pairs_dev]
        return ["pocket", data.pocket.world_seed, name, *numbers]
    if data.source == "folder":
        return ["folder", config.data_root, name, languages]
    assert section.hub is not None
    return ["hub", name, section.hub.model_dump(mode="json") if name == CORPUS else None, languages]


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
