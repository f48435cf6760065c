"""Stages: the units of training, as frozen values.

A stage says everything that its result depends on besides code: what is trained, from what,
towards what, on what, how and with which seed. Equal stages are one artefact, whoever asks.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from retort.distill.objective import Objective, Phase
from retort.files import digest_of
from retort.models.hf.architecture import Slices, TextArchitecture
from retort.papers import Scoring, paper_of

if TYPE_CHECKING:
    from pathlib import Path

    from retort.data.layouts import TextFamily
    from retort.data.text_samples import Noise
    from retort.evaluation.decoding import Decoding, Sampling
    from retort.models.builders import Builder
    from retort.recipes import Sequences
    from retort.training.lessons import Lesson
    from retort.training.probes import View
    from retort.training.streams import Source

_AT = "@"
"""Between task and point in the name of a run; no task has it."""


@dataclass(frozen=True)
class Architecture:
    """A model's size, without the vocabulary, which the data decides.

    Attributes:
        name: as the papers abbreviate it (``T1``, ``S1``); not part of the stage's identity.
        layers, width, heads, positions, dropout, init_std: see :class:`retort.models.glm.GLMConfig`.
        factorised, trigram: width of an ALBERT-like or MobileBERT-like embedding.
        bottleneck: (inner width, feed-forwards per block) of an inverted bottleneck.
    """

    name: str
    layers: int
    width: int
    heads: int
    positions: int
    dropout: float
    init_std: float
    factorised: int | None = None
    trigram: int | None = None
    bottleneck: tuple[int, int] | None = None

    def builder(self) -> Builder:
        """What makes, reads and writes such models (imports torch)."""
        from retort.models.glm_builder import GLMBuilder

        return GLMBuilder(self)


@dataclass(frozen=True)
class Compression:
    """Vocabulary compression: keep ``ratio`` of the words, map the rest to the most similar kept word."""

    ratio: float = 0.5
    similarity: Literal["inner_product", "cosine", "euclidean", "unk"] = "inner_product"
    reserved_targets: bool = True
    multiple_of: int = 128


@dataclass(frozen=True)
class SlicedCompression(Compression):
    """The same, started from the kept rows of ``mapped_by``'s embedding (quirk ``unmapped-embedding``)."""


@dataclass(frozen=True)
class Muon:
    """Muon for the hidden matrices: peak rate, momentum, Newton-Schulz steps, weight decay."""

    learning_rate: float
    momentum: float
    newton_schulz_steps: int
    weight_decay: float


@dataclass(frozen=True)
class LensOptimiser:
    """Peak rate and decay of lenses that have an optimiser of their own; its curve is the student's."""

    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class Optimiser:
    """AdamW (and Muon for hidden matrices where given) and the learning-rate curve of both.

    Attributes:
        learning_rate: peak of AdamW.
        betas, eps, weight_decay: of AdamW. ``clip_norm``: largest gradient norm, ``None``: any.
        schedule: decay after a linear warm-up.
        warmup: share of the decay steps; ``decay_share``: decay steps as a share of all steps;
            ``floor``: final learning rate as a share of the peak.
    """

    learning_rate: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    clip_norm: float | None
    schedule: Literal["cosine", "linear", "constant"]
    warmup: float
    floor: float
    decay_share: float = 1.0
    muon: Muon | None = None
    lenses: LensOptimiser | None = None


@dataclass(frozen=True)
class Corpus:
    """How a GLM's pretraining samples are drawn and masked (see :mod:`retort.data.samples`)."""

    samples: Literal["documents", "windows"]
    max_length: int
    masking: Literal["paper", "mixture"]

    @property
    def length(self) -> int:
        """Tokens of a sample."""
        return self.max_length

    def source(self, text: Path, seed: int) -> Source[Any]:
        """The samples of the encoded corpus in a folder."""
        from retort.training.glm_lessons import BlockSamples

        return BlockSamples(self, text, seed)

    @property
    def view(self) -> View:
        """How students are laid beside their teachers."""
        from retort.training.probes import GLM_VIEW

        return GLM_VIEW


@dataclass(frozen=True)
class TextCorpus:
    """How a transformers model's pretraining samples are drawn (see :mod:`retort.data.text_samples`)."""

    family: TextFamily
    length: int
    noise: Noise

    def source(self, text: Path, seed: int) -> Source[Any]:
        """The samples of the encoded corpora in a folder."""
        from retort.training.text_lessons import CorpusSamples

        return CorpusSamples(self, text, seed)

    @property
    def view(self) -> View:
        """How students are laid beside their teachers."""
        from retort.training.probes import TEXT_VIEW

        return TEXT_VIEW


@dataclass(frozen=True)
class Pretraining:
    """Length and batches of a pretraining run."""

    optimiser: Optimiser
    corpus: Corpus | TextCorpus
    steps: int
    batch_size: int
    micro_batch_size: int


@dataclass(frozen=True)
class TaskRun:
    """Length and batches of the training on one task; subclasses say what kind of task.

    Attributes:
        text: name of the task's encoded examples (see :attr:`retort.plan.Plan.text`).
        evaluations: on dev, evenly spaced; ``per_epoch``: after each epoch. One before training
            is always made.
        padding: ``longest`` pads to the batch's longest row, ``fixed`` to the limit of the task.
        signals: whether its teachers' signals are stored once, for all who learn from them.
        paper: whose task it is.
    """

    task: str
    text: str
    optimiser: Optimiser
    epochs: int
    batch_size: int
    micro_batch_size: int | None
    padding: Literal["longest", "fixed"]
    evaluations: int | Literal["per_epoch"]

    signals: ClassVar[bool] = False
    paper: ClassVar[str]

    @property
    def scoring(self) -> Scoring:
        """How the task is scored."""
        return paper_of(self.paper).task(self.task)

    @property
    def reads_signals(self) -> bool:
        """Whether it reads what its teachers stored."""
        return self.signals

    @property
    def classes(self) -> int | None:
        """Outputs of a classifier that the model needs; ``None``: it answers in words."""
        return None

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        raise NotImplementedError

    def lesson(self, corpus: Path, text: Path) -> Lesson:
        """What is read and how it is judged (imports torch).

        Args:
            corpus: folder of the encoded corpus, with the tokenizer.
            text: folder of the task's encoded examples.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ClozeRun(TaskRun):
    """A GLM on a SuperGLUE task, as a cloze."""

    max_length: int

    signals: ClassVar[bool] = True
    paper: ClassVar[str] = "glmd"

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return self.max_length

    def lesson(self, corpus: Path, text: Path) -> Lesson:
        """See :class:`TaskRun`."""
        from retort.training.glm_lessons import ClozeLesson

        return ClozeLesson(self, text)


@dataclass(frozen=True)
class ClassRun(TaskRun):
    """A transformers model that classifies the texts of a GLUE task."""

    family: TextFamily
    source: int

    paper: ClassVar[str] = "cka"

    @property
    def classes(self) -> int:
        """Classes of the task; one output for a regression."""
        from retort.data.glue.tasks import spec_of

        return max(1, len(spec_of(self.task).labels))

    @property
    def length(self) -> int:
        """Tokens of the longest text."""
        return self.source

    def lesson(self, corpus: Path, text: Path) -> Lesson:
        """See :class:`TaskRun`."""
        from retort.training.text_lessons import ClassLesson

        return ClassLesson(self, corpus, text)


@dataclass(frozen=True)
class PairRun(TaskRun):
    """An encoder-decoder that writes the targets of a summarisation or translation set."""

    family: TextFamily
    source: int
    target: int
    decoding: Decoding

    paper: ClassVar[str] = "cka"

    @property
    def length(self) -> int:
        """Tokens of the longest source or target."""
        return max(self.source, self.target)

    def lesson(self, corpus: Path, text: Path) -> Lesson:
        """See :class:`TaskRun`."""
        from retort.training.text_lessons import PairLesson

        return PairLesson(self, corpus, text)


@dataclass(frozen=True)
class PromptRun(TaskRun):
    """A causal model that learns to follow instructions.

    Attributes:
        train, sets: names of the sets that it learns from, and is judged by.
        longest: tokens of a prompt with its response.
        learn_end: whether the end of a response is a target.
        sampling, drawn: how responses are drawn on dev, and with which seed.
        sequences: whose responses it learns.
    """

    family: TextFamily
    train: tuple[str, ...]
    sets: tuple[str, ...]
    longest: int
    learn_end: bool
    sampling: Sampling
    drawn: int
    sequences: Sequences

    paper: ClassVar[str] = "atkd"

    @property
    def scoring(self) -> Scoring:
        """The mean over the sets of each one's metric."""
        return Scoring("prompts", self.sets, self.sets, (1.0,) * len(self.sets))

    @property
    def reads_signals(self) -> bool:
        """Responses of the teacher."""
        return self.sequences.from_teacher

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return self.longest

    def lesson(self, corpus: Path, text: Path) -> Lesson:
        """See :class:`TaskRun`."""
        from retort.training.prompt_lessons import PromptLesson

        return PromptLesson(self, corpus, text)


@dataclass(frozen=True)
class Leading:
    """Start a GLM from a teacher's first layers and leading dimensions.

    Attributes:
        fused: cut the fused query-key-value matrix as one block (quirk ``fused-truncation``).
    """

    fused: bool = True


@dataclass(frozen=True)
class Truncation:
    """Start from a part of a teacher.

    Attributes:
        source: the stage that made the teacher.
        part: which.
    """

    source: Stage
    part: Leading | Slices


@dataclass(frozen=True)
class Stage:
    """One training run (for tasks: one run per task, or one per task and point of a search, in one job).

    Attributes:
        phase: ``pretraining`` or ``task``.
        architecture: of the model that is trained.
        objective: what is minimised.
        init: the stage whose result it starts from; ``None``: random initialisation.
        truncated: start from a part of a teacher instead.
        teachers: the stages that made the teachers, nearest or smallest first.
        compression: vocabulary compression of the student, built from ``mapped_by``.
        mapped_by: pretrained teacher whose word embeddings decide the vocabulary map.
        data: name of the encoded corpus, with its vocabulary (see :attr:`retort.plan.Plan.text`).
        schooling: how long and on what batches: one run, or those on the tasks, task by task; several
            of a task are the points of a search.
        seed: of initialisation, data order and dropout.
        carry_lenses: also start from the lens parameters of ``init``.
        imported: folder of a checkpoint that is taken as the result, instead of training.
    """

    phase: Phase
    architecture: Architecture | TextArchitecture
    objective: Objective
    schooling: Pretraining | tuple[TaskRun, ...] | None
    data: str
    seed: int
    init: Stage | None = None
    truncated: Truncation | None = None
    teachers: tuple[Stage, ...] = ()
    compression: Compression | None = None
    mapped_by: Stage | None = None
    carry_lenses: bool = False
    imported: str | None = None
    precision: str = "float32"

    @cached_property
    def id(self) -> str:
        """Name of the stage's folder: readable, ending in a digest of everything above."""
        terms = "+".join(dict.fromkeys(term.site for term in self.objective.terms)) or "import"
        kind = "pre" if self.phase == "pretraining" else "task"
        return f"{self.architecture.name}.{kind}.{terms}.s{self.seed}.{self.digest}"

    @cached_property
    def digest(self) -> str:
        """Digest of the stage and, through their digests, of its ancestors."""
        return digest_of(to_json(self))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks trained in this job, none in pretraining."""
        return tuple(dict.fromkeys(run.task for run in self.runs.values()))

    @cached_property
    def runs(self) -> dict[str, TaskRun]:
        """The runs on tasks by name, in order; a run's folder bears its name.

        The name is the task; where that has several runs, batch size and peak rate follow: ``RTE@16-1e-05``.
        """
        runs = self.schooling if isinstance(self.schooling, tuple) else ()
        times = Counter(run.task for run in runs)
        return {run.task if times[run.task] == 1 else _point(run): run for run in runs}

    def text(self, task: str) -> str:
        """Name of the encoded examples of one of its tasks."""
        return next(run.text for run in self.runs.values() if run.task == task)

    def ancestors(self) -> list[Stage]:
        """Stages whose results are read, nearest first, without repeats."""
        source = None if self.truncated is None else self.truncated.source
        found = [stage for stage in (self.init, source, *self.teachers, self.mapped_by) if stage is not None]
        return list({stage.id: stage for stage in found}.values())


def _point(run: TaskRun) -> str:
    return point_name(run.task, run.batch_size, run.optimiser.learning_rate)


def point_name(task: str, batch_size: int, learning_rate: float) -> str:
    """Name of a task's run at one point of a search."""
    return f"{task}{_AT}{batch_size}-{learning_rate}"


def task_of(run: str) -> str:
    """The task of a run's name: ``RTE`` of ``RTE`` as of ``RTE@16-1e-05``."""
    return run.partition(_AT)[0]


def value_types(value: Any) -> Iterator[str]:
    """``module:class`` of every value inside a value such as an objective: the code that interprets it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__module__}:{type(value).__qualname__}"
        for entry in dataclasses.fields(value):
            yield from value_types(getattr(value, entry.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from value_types(item)


_UNIDENTIFYING = {"Architecture": {"name"}, "TextArchitecture": {"name"}}


def _kind(kind: type) -> str:
    """Name of a class; one from a user's own file carries the file's, so that it is never taken for ours."""
    ours = kind.__module__.partition(".")[0] == "retort"
    return kind.__name__ if ours else f"{kind.__module__}:{kind.__qualname__}"


def to_json(value: Any) -> Any:
    """Canonical plain data of a stage or any value inside one; nested stages become their ids."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = _kind(type(value))
        hidden = _UNIDENTIFYING.get(kind, set())
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in hidden}
        return {"is": kind} | {
            name: inner.digest if isinstance(inner, Stage) else to_json(inner)
            for name, inner in fields.items()
        }
    if isinstance(value, tuple | list):
        return [item.digest if isinstance(item, Stage) else to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a stage cannot hold a {type(value).__name__}")
