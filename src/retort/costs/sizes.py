"""How much text there is: from the encoded text where it exists, else from what is known about the data."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config.loading import REPOSITORY
from retort.config.model import Config
from retort.corpora import Corpus
from retort.costs.text_sizes import TextSize, WordsSize, text_sizes
from retort.files import read_json
from retort.runs import TaskRun
from retort.stages import Compression, Stage
from retort.texts import CORPUS

if TYPE_CHECKING:
    from retort.layout import Layout
    from retort.plan import Plan

OFFICIAL = REPOSITORY / "resources" / "paper" / "glmd" / "task_sizes.csv"
"""Examples of the official SuperGLUE files in GLM's form: COPA's training set is mirrored, ReCoRD's has one
example for each right answer with at most ten candidates, WSC's true ones are cut into groups of candidates.
``*_rows``: candidates of an example and what fills up its batch; ``answer``: predicted words of a candidate
(0: one verbalizer). Lengths are in BERT word pieces, mean and longest of 16, measured on part
of the data."""

WIKIBOOK_TOKENS = 4_543_206_935
"""Tokens of the authors' corpus (Wikipedia and BookCorpus): the sum of the frequency file they ship."""

_WIKIBOOK_DOCUMENTS = 6_400_000

_GENERATED = {  # examples by those asked for, (train, dev) rows, predicted words, length
    "BoolQ": (1.0, 1, 0, 29),
    "CB": (1.0, 1, 0, 18),
    "COPA": (2.0, 2, 3, 21),
    "MultiRC": (1.5, 1, 0, 26),
    "ReCoRD": (1.0, 5, 2, 20),
    "RTE": (1.0, 1, 0, 21),
    "WiC": (1.0, 1, 0, 24),
    "WSC": (0.5, 2, 2, 39),
}
_GENERATED_WORDS, _GENERATED_DOCUMENT = 728, 15.05
"""Of the generated world at any size: vocabulary and mean length of a document."""

_COMMANDS = 2
"""Piece tokens that GLM adds to a BERT vocabulary."""


@dataclass(frozen=True)
class TaskSize:
    """Examples of a task.

    Attributes:
        train, dev: examples.
        train_rows, dev_rows: sequences of an example, fillers of its batch included.
        answer: predicted words of a sequence; 0: one verbalizer.
        length, longest: mean tokens of a sequence, and of the longest in a batch.
    """

    train: float
    dev: float
    train_rows: float
    dev_rows: float
    answer: float
    length: float
    longest: float


@dataclass(frozen=True)
class Sizes:
    """All that the costs need to know of the data.

    Attributes:
        rows: of the word table; ``words``: real entries among them.
        documents, tokens: of the corpus.
        tasks: by name.
        texts, text_words: tasks and words of transformers models, by the name of what is encoded.
    """

    rows: int
    words: int
    documents: int
    tokens: int
    tasks: dict[str, TaskSize]
    texts: dict[str, TextSize] = field(default_factory=dict)
    text_words: dict[str, WordsSize] = field(default_factory=dict)

    @property
    def all_tokens(self) -> float:
        """Of the corpora of all papers; those of several tracks count for each, as each encodes its own."""
        return self.tokens + sum(words.tokens for words in self.text_words.values())

    def text(self, run: TaskRun) -> TextSize:
        """Of a run on a task of transformers models."""
        return self.texts[run.text]

    def text_rows(self, stage: Stage) -> int:
        """Rows of the word table of a transformers model."""
        return self.text_words[stage.data].rows

    def sample(self, corpus: Corpus) -> Sample:
        """What a pretraining sample looks like."""
        if corpus.samples == "windows":
            length = corpus.max_length - 6.0  # windows end with a sentence
        else:
            length = min(float(corpus.max_length), self.tokens / max(1, self.documents) + 2)
        spans, predicted, padding = _MASKING[corpus.masking]
        padded = length * spans * (1.01 if corpus.samples == "windows" else padding)
        return Sample(length * spans, padded, length * predicted)

    def compressed(self, compression: Compression | None) -> int:
        """Rows of a student's word table."""
        if compression is None:
            return self.rows
        kept = int(compression.ratio * self.words)
        return -(-kept // compression.multiple_of) * compression.multiple_of


@dataclass(frozen=True)
class Sample:
    """Mean tokens of a pretraining sample: real, with padding, and predicted."""

    tokens: float
    padded: float
    predicted: float


_MASKING = {"paper": (1.09, 0.197, 1.05), "mixture": (1.17, 0.364, 1.08)}
"""Tokens after masking and predicted ones by tokens before it, and padding; measured on 1,024 samples."""


def sizes_of(plan: Plan) -> Sizes:
    """Sizes of a plan's data, read from encoded text: GLMD's if all is there, others' part by part."""
    own = [part for part, made in plan.parts.items() if made.track is None]
    folders = {part: plan.layout.text(plan.text[part]) for part in own}
    if folders and all((folder / "summary.json").is_file() for folder in folders.values()):
        return _with_texts(_measured(folders), plan.config, plan.layout)
    return _with_texts(_expected(plan.config), plan.config, plan.layout)


def expected_sizes(config: Config) -> Sizes:
    """Sizes of a configuration's data by what is known about them, whether they were made or not."""
    return _with_texts(_expected(config), config, None)


def _expected(config: Config) -> Sizes:
    return _generated(config) if config.data.source == "pocket" else _known(config)


def _with_texts(sizes: Sizes, config: Config, layout: Layout | None) -> Sizes:
    tasks, words = text_sizes(config, layout)
    return replace(sizes, texts=tasks, text_words=words)


def _measured(folders: dict[str, Path]) -> Sizes:
    summary = read_json(folders[CORPUS] / "summary.json")
    tasks = {part: measure_task(folder) for part, folder in folders.items() if part != CORPUS}
    return Sizes(
        summary["vocabulary_rows"],
        summary["vocabulary"],
        summary["documents"],
        summary["tokens"],
        tasks,
    )


@functools.cache
def measure_task(folder: Path, batch: int = 16) -> TaskSize:
    """Sizes of an encoded task, batches taken in the order of the file."""
    import numpy as np

    def part(split: str) -> tuple[int, float, float, float, float]:
        with np.load(folder / f"{split}.npz", allow_pickle=False) as stored:
            length, candidates = stored["length"], stored["candidates"]
            answer = float(stored["predicted"].sum()) / len(length)
        starts = np.concatenate([[0], np.cumsum(candidates)[:-1]])
        first = np.arange(0, len(candidates), batch)
        widest = np.maximum.reduceat(candidates, first)
        longest = np.maximum.reduceat(np.maximum.reduceat(length, starts), first)
        return len(candidates), float(widest.mean()), answer, float(length.mean()), float(longest.mean())

    train, rows, answer, length, longest = part("train")
    dev, dev_rows, *_ = part("val")
    single = read_json(folder / "train.json")["verbalizers"] is not None
    return TaskSize(train, dev, rows, dev_rows, 0 if single else answer, length, longest)


def _generated(config: Config) -> Sizes:
    pocket, limits = config.data.pocket, config.data.limits
    assert pocket is not None
    tasks = {}
    for name, (share, rows, answer, length) in _GENERATED.items():
        dev = pocket.dev_size * (1.5 if name == "MultiRC" else 1.0)
        size = TaskSize(pocket.train_size * share, dev, rows, rows, answer, length, length)
        tasks[name] = _limited(size, limits.train, limits.dev)
    documents = min(pocket.documents, limits.corpus or pocket.documents)
    words = min(_GENERATED_WORDS, config.data.vocabulary.size)
    multiple = config.data.vocabulary.multiple_of
    rows = -(-words // multiple) * multiple
    return Sizes(rows, words, documents, round(documents * _GENERATED_DOCUMENT), tasks)


def _known(config: Config) -> Sizes:
    limits, multiple = config.data.limits, config.data.vocabulary.multiple_of
    tasks = {name: _limited(size, limits.train, limits.dev) for name, size in official().items()}
    share = 1.0 if limits.corpus is None else min(1.0, limits.corpus / _WIKIBOOK_DOCUMENTS)
    words = config.data.vocabulary.size + _COMMANDS
    return Sizes(
        -(-words // multiple) * multiple,
        words,
        round(share * _WIKIBOOK_DOCUMENTS),
        round(share * WIKIBOOK_TOKENS),
        tasks,
    )


def _limited(size: TaskSize, train: int | None, dev: int | None) -> TaskSize:
    return replace(size, train=min(size.train, train or size.train), dev=min(size.dev, dev or size.dev))


@functools.cache
def official() -> dict[str, TaskSize]:
    """The official SuperGLUE files by task."""
    with OFFICIAL.open(encoding="utf-8", newline="") as stream:
        return {
            row.pop("task"): TaskSize(**{name: float(value) for name, value in row.items()})
            for row in csv.DictReader(stream)
        }
