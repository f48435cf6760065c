"""What encodes each kind of part, given its raw data and the settings of its paper.

Rules follow the code of the one function that encodes a part: here is nothing but what a kind takes from the
configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retort.config.model import Config
from retort.config.texts import Instructions, TextPaper, Track
from retort.data.instruction_encoding import PromptTexts, encode_prompt_sets, encode_prompt_words
from retort.data.prepare import encode_examples, encode_text
from retort.data.prompt_examples import PromptFrame
from retort.data.text_prepare import TaskTexts, Words, encode_task_texts, encode_words


@dataclass(frozen=True)
class Given:
    """What a part is encoded from.

    Attributes:
        config: a complete configuration.
        section, track: what of it the part belongs to; ``None``: the configuration itself.
        task: its name; empty for a vocabulary with corpora.
        corpora: their manifest, for a vocabulary.
        sets: manifest of each data set.
        words: folder with the vocabulary, for a task.
    """

    config: Config
    section: TextPaper | None
    track: Track | None
    task: str
    corpora: Path
    sets: Mapping[str, Path]
    words: Path

    @property
    def of_track(self) -> tuple[TextPaper, Track]:
        """Section and track of a part that has them."""
        assert self.section is not None and self.track is not None
        return self.section, self.track


def encode_corpus(given: Given, out: Path) -> None:
    """GLM's vocabulary and corpus."""
    encode_text(given.config, given.corpora, out)


def encode_clozes(given: Given, out: Path) -> None:
    """A SuperGLUE task."""
    encode_examples(given.config, given.task, given.sets[given.task], given.words, out)


def encode_text_words(given: Given, out: Path) -> None:
    """Vocabulary and corpora of a track that learns tasks."""
    encode_words(given.corpora, given.sets, out, _words(given))


def encode_texts(given: Given, out: Path) -> None:
    """A task of GLUE, summarisation or translation."""
    section, track = given.of_track
    limits, lengths = section.limits, track.tasks[given.task]
    settings = TaskTexts(track.family, lengths.source, lengths.target, limits.train, limits.dev)
    encode_task_texts(given.task, given.sets[given.task], given.words, out, settings)


def encode_instruction_words(given: Given, out: Path) -> None:
    """Vocabulary and corpus of a track that learns to follow instructions."""
    _, track = given.of_track
    assert track.instructions is not None
    encode_prompt_words(given.corpora, given.sets, _frames(track.instructions), out, _words(given))


def encode_instructions(given: Given, out: Path) -> None:
    """Instruction sets."""
    section, track = given.of_track
    assert track.instructions is not None
    limits, frames = section.limits, _frames(track.instructions)
    prompts = PromptTexts(track.family, frames, limits.train, limits.dev)
    encode_prompt_sets(given.sets, given.words, out, prompts)


def _words(given: Given) -> Words:
    section, track = given.of_track
    files = tuple(Path(given.config.data_root or "") / file for file in track.vocabulary.files)
    return Words(track.family, files, track.vocabulary.size, track.languages, section.limits.corpus)


def _frames(settings: Instructions) -> dict[str, PromptFrame]:
    """The wording of each set; those that models are judged by teach nobody where to end."""
    learned = PromptFrame(settings.template, settings.prompt, settings.length, settings.learn_end)
    asked = PromptFrame(settings.asked, settings.prompt, settings.length)
    return dict.fromkeys(settings.train, learned) | dict.fromkeys(settings.sets, asked)
