"""Names of the data: corpora and each task by itself, raw and encoded.

Each part lies in a folder named after all that decides its bytes besides code. So another limit or length of
a task encodes that task anew and pretrains nothing again, and a value that is set back finds the old folder.

GLMD's parts are :data:`CORPUS` and its tasks. Those of another paper begin with its name: ``cka-corpus`` and
``cka-XSum`` are raw, ``cka-bart`` (words and corpora of a track) and ``cka-bart-XSum`` encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retort.config.model import Config, Source
from retort.config.texts import Split, TextPaper, TextPocket, Track
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.instructions.sets import OFF_HUB
from retort.data.instructions.sets import SPECS as INSTRUCTION_SETS
from retort.data.seq2seq.tasks import SPECS as PAIRS
from retort.errors import InputError
from retort.files import digest_of
from retort.papers import PLAIN

CORPUS = "corpus"
"""No task: the pretraining text, and the vocabulary with its frequencies, which count this alone."""

INSTRUCTIONS = "instructions"
"""The task of causal models: one training, judged by several sets."""

_ORDER = (*GLUE, *PAIRS)

_BETWEEN = "-"


@dataclass(frozen=True)
class EncodedPart:
    """A part of the encoded texts.

    Attributes:
        paper: whose.
        track: whose words and lengths these are; ``None``: of a paper without tracks.
        task: whose examples; ``None``: a vocabulary with encoded corpora.
        raws: raw parts that it is made from, corpora first.
        words: the part with its vocabulary.
        settings: what else decides its bytes.
    """

    paper: str
    track: Track | None
    task: str | None
    raws: tuple[str, ...]
    words: str
    settings: list[Any]


def raw_names(config: Config) -> dict[str, str]:
    """Folder of raw data by part: corpora before tasks."""
    found: dict[str, str] = {}
    for paper in config.papers:
        section = config.section(paper)
        for name in (CORPUS, *(config.tasks if section is None else text_sets(section))):
            origin = _origin(config, name) if section is None else _text_origin(config, section, name)
            part = raw_part(paper, name)
            found[part] = _name(part, origin)
    return found


def text_names(config: Config) -> dict[str, str]:
    """Folder of encoded text by part, words before tasks."""
    found: dict[str, str] = {}
    raw = raw_names(config)
    for name, part in encoded_parts(config).items():
        words = [found[part.words]] if part.words in found else []
        found[name] = _name(name, [words, [raw[each] for each in part.raws], *part.settings])
    return found


def encoded_parts(config: Config) -> dict[str, EncodedPart]:
    """Every encoded part by name, words before tasks."""
    found: dict[str, EncodedPart] = {}
    for paper in config.papers:
        section = config.section(paper)
        if section is None:
            found |= _parts(config, paper)
        else:
            for name, track in section.tracks.items():
                found |= _parts_of_track(section, paper, name, track)
    return found


def _parts(config: Config, paper: str) -> dict[str, EncodedPart]:
    limits, lengths = config.data.limits, config.task_training.max_length
    vocabulary = config.data.vocabulary.model_dump(mode="json")
    words = EncodedPart(paper, None, None, (CORPUS,), CORPUS, [vocabulary, limits.corpus])
    return {CORPUS: words} | {
        task: EncodedPart(paper, None, task, (task,), CORPUS, [limits.train, limits.dev, lengths[task]])
        for task in config.tasks
    }


def _parts_of_track(section: TextPaper, paper: str, name: str, track: Track) -> dict[str, EncodedPart]:
    """The words come from the corpora, and from training texts that a trained tokenizer knows, too."""
    limits, words = section.limits, text_part(paper, name)
    pairs = [task for task in tasks_of(track) if task not in (*GLUE, INSTRUCTIONS)]
    taught = () if track.instructions is None else track.instructions.train
    read = tuple(raw_part(paper, one) for one in (CORPUS, *pairs, *taught))
    origin = [track.family, track.vocabulary.model_dump(mode="json"), [*track.languages], limits.corpus]
    found = {words: EncodedPart(paper, track, None, read, words, origin)}
    for task in tasks_of(track):
        raws = tuple(raw_part(paper, one) for one in sets_of(track, task))
        settings = [limits.train, limits.dev, *_lengths(track, task)]
        found[text_part(paper, name, task)] = EncodedPart(paper, track, task, raws, words, settings)
    return found


def text_papers(config: Config) -> tuple[str, ...]:
    """The papers of a configuration on transformers models."""
    return tuple(paper for paper in config.papers if config.section(paper) is not None)


def paper_section(config: Config, paper: str) -> TextPaper:
    """The section of a paper on transformers models."""
    found = config.section(paper)
    assert found is not None
    return found


def text_sets(section: TextPaper) -> tuple[str, ...]:
    """The data sets of all tracks of a paper."""
    tracks = section.tracks.values()
    listed = (one for track in tracks for task in tasks_of(track) for one in sets_of(track, task))
    return tuple(dict.fromkeys(listed))


def tasks_of(track: Track) -> tuple[str, ...]:
    """What a track's models are trained on, each in a run of its own, in the order of the papers' tables.

    The order of a configuration's keys says nothing: files of resolved ones are sorted.
    """
    return (*sorted(track.tasks, key=_place), *(() if track.instructions is None else (INSTRUCTIONS,)))


def _place(task: str) -> tuple[int, str]:
    return (_ORDER.index(task) if task in _ORDER else len(_ORDER)), task


def sets_of(track: Track, task: str) -> tuple[str, ...]:
    """The data sets of a task: a task is one itself, instructions are several."""
    if task != INSTRUCTIONS:
        return (task,)
    assert track.instructions is not None
    return (*track.instructions.train, *track.instructions.sets)


def _lengths(track: Track, task: str) -> list[Any]:
    """What of a task's settings decides its encoded examples."""
    if task != INSTRUCTIONS:
        return [track.tasks[task].source, track.tasks[task].target]
    assert track.instructions is not None
    return [track.instructions.model_dump(mode="json", exclude={"new_tokens", "sampling"})]


def pocket_split(sizes: TextPocket, name: str) -> Split:
    """How many examples of a data set are generated.

    Raises:
        InputError: the configuration does not say.
    """
    kind = "glue" if name in GLUE else "instructions" if name in INSTRUCTION_SETS else "pairs"
    found: Split | None = {"glue": sizes.glue, "pairs": sizes.pairs, "instructions": sizes.instructions}[kind]
    if found is None:
        raise InputError(
            f"pocket.{kind}: is null, but {name} is to be generated; give {{train: ..., dev: ...}}"
        )
    return found


def languages_of(section: TextPaper) -> tuple[str, ...]:
    """Languages of all multilingual tracks of a paper."""
    return tuple(sorted({code for track in section.tracks.values() for code in track.languages}))


def raw_part(paper: str, name: str) -> str:
    """The raw part of a paper's corpora or of a task."""
    return name if paper == PLAIN else _BETWEEN.join((paper, name))


def text_part(paper: str, track: str, task: str | None = None) -> str:
    """The encoded part of a track's words, or of one of its tasks."""
    return _BETWEEN.join((paper, track) if task is None else (paper, track, task))


def paper_of_part(part: str) -> tuple[str, str]:
    """Paper and the rest of a part's name: ``cka-XSum`` is CKA's ``XSum``, ``RTE`` GLMD's."""
    paper, sign, rest = part.partition(_BETWEEN)
    return (paper, rest) if sign else (PLAIN, part)


def part_of(name: str) -> str:
    """The part whose folder has a name."""
    return name.rpartition(".")[0]


def _name(part: str, made_of: Any) -> str:
    return f"{part}.{digest_of(made_of)}"


def source_of(config: Config, name: str) -> Source:
    """Where a data set comes from: of what the hub does not have from the folder."""
    return "folder" if config.data.source == "hub" and name in OFF_HUB else config.data.source


def _text_origin(config: Config, section: TextPaper, name: str) -> list[Any]:
    """What a part's raw data follows from."""
    data, source = config.data, source_of(config, name)
    languages = [*languages_of(section)] if name == CORPUS else []
    if source == "pocket":
        assert data.pocket is not None and section.pocket is not None
        sizes = section.pocket
        if name == CORPUS:
            return ["pocket", data.pocket.world_seed, sizes.documents, sizes.multilingual, languages]
        split = pocket_split(sizes, name)
        return ["pocket", data.pocket.world_seed, name, split.train, split.dev]
    if source == "folder":
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
