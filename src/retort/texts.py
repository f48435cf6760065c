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
from retort.config.texts import Split, TextPaper, TextPocket, Track
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.instructions.sets import SPECS as INSTRUCTION_SETS
from retort.data.seq2seq.tasks import SPECS as PAIRS
from retort.errors import InputError
from retort.files import digest_of

CORPUS = "corpus"
"""No task: the pretraining text, and the vocabulary with its frequencies, which count this alone."""

INSTRUCTIONS = "instructions"
"""The task of causal models: one training, judged by several sets."""

_ORDER = (*GLUE, *PAIRS)

_BETWEEN = "-"


def raw_names(config: Config) -> dict[str, str]:
    """Folder of raw data by part: corpora before tasks."""
    found: dict[str, str] = {}
    if "glmd" in config.papers:
        found |= {part: _name(part, _origin(config, part)) for part in (CORPUS, *config.tasks)}
    for paper in text_papers(config):
        for name in (CORPUS, *text_sets(config, paper)):
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
            for one in tasks_of(track):
                part = text_part(paper, name, one)
                made_of = [raw[raw_part(paper, each)] for each in sets_of(track, one)]
                settings = _lengths(track, one)
                found[part] = _name(part, [found[words], *made_of, limits.train, limits.dev, *settings])
    return found


def text_papers(config: Config) -> tuple[str, ...]:
    """The papers of a configuration on transformers models."""
    return tuple(paper for paper in config.papers if paper != "glmd")


def paper_section(config: Config, paper: str) -> TextPaper:
    """A paper's section."""
    found = {"cka": config.cka, "atkd": config.atkd}[paper]
    assert found is not None
    return found


def text_sets(config: Config, paper: str) -> tuple[str, ...]:
    """The data sets of all tracks of a paper."""
    tracks = paper_section(config, paper).tracks.values()
    listed = (one for track in tracks for task in tasks_of(track) for one in sets_of(track, task))
    return tuple(dict.fromkeys(listed))


def tasks_of(track: Track) -> tuple[str, ...]:
    """What a track's models are trained on, each in a run of its own, in the order of the papers' tables.

    The order of a configuration's keys says nothing: files of resolved ones are sorted.
    """
    return (*sorted(track.tasks, key=_place), *(() if track.instructions is None else (INSTRUCTIONS,)))


def _place(task: str) -> tuple[int, str]:
    return (_ORDER.index(task) if task in _ORDER else len(_ORDER)), task


def instructed(config: Config, paper: str) -> bool:
    """Whether a paper is on causal models that follow instructions."""
    return any(track.instructions is not None for track in paper_section(config, paper).tracks.values())


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


def languages_of(config: Config, paper: str) -> tuple[str, ...]:
    """Languages of all multilingual tracks of a paper."""
    tracks = paper_section(config, paper).tracks.values()
    return tuple(sorted({code for track in tracks for code in track.languages}))


def raw_part(paper: str, name: str) -> str:
    """The raw part of a paper's corpora or of a task."""
    return _BETWEEN.join((paper, name))


def text_part(paper: str, track: str, task: str | None = None) -> str:
    """The encoded part of a track's words, or of one of its tasks."""
    return _BETWEEN.join((paper, track) if task is None else (paper, track, task))


def words_read(paper: str, track: Track) -> tuple[str, ...]:
    """Raw parts that a track's words are made from: the corpora, and texts that a trained tokenizer knows."""
    pairs = [task for task in tasks_of(track) if task not in (*GLUE, INSTRUCTIONS)]
    taught = () if track.instructions is None else track.instructions.train
    return tuple(raw_part(paper, name) for name in (CORPUS, *pairs, *taught))


def named_texts(config: Config) -> Iterator[tuple[str, str, Track, str | None]]:
    """Every encoded part of the text papers: part, paper, track, and the task, ``None`` of words."""
    for paper in text_papers(config):
        for name, track in paper_section(config, paper).tracks.items():
            yield text_part(paper, name), paper, track, None
            for task in tasks_of(track):
                yield text_part(paper, name, task), paper, track, task


def paper_of_part(part: str) -> tuple[str, str]:
    """Paper and the rest of a part's name: ``cka-XSum`` is CKA's ``XSum``, ``RTE`` GLMD's."""
    paper, sign, rest = part.partition(_BETWEEN)
    return (paper, rest) if sign else ("glmd", part)


def raws_of_text(config: Config, part: str) -> tuple[str, ...]:
    """The raw parts that an encoded task is made from."""
    paper, rest = paper_of_part(part)
    if paper == "glmd":
        return (part,)
    name, _, task = rest.partition(_BETWEEN)
    track = paper_section(config, paper).tracks[name]
    return tuple(raw_part(paper, one) for one in sets_of(track, task))


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
        split = pocket_split(sizes, name)
        return ["pocket", data.pocket.world_seed, name, split.train, split.dev]
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
