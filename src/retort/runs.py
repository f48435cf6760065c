"""Runs: how long a model is trained, by which optimiser, and on what; frozen values inside a stage.

Each brings the code that reads its kind of data, which it imports when it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from retort.papers import Scoring, paper_of

if TYPE_CHECKING:
    from pathlib import Path

    from retort.corpora import Corpus, TextCorpus
    from retort.data.layouts import TextFamily
    from retort.evaluation.decoding import Decoding, Sampling
    from retort.recipes import Sequences
    from retort.training.lessons import Lesson


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
        store: the function that writes what students read of a fine-tuned teacher, as a root of fingerprints
            (``None``: they run it). A text, so that neither the teacher nor who is never taught depends on
            its code; those who read depend on what it writes.
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

    store: ClassVar[str | None] = None
    paper: ClassVar[str]

    @property
    def scoring(self) -> Scoring:
        """How the task is scored."""
        return paper_of(self.paper).task(self.task)

    @property
    def reads_signals(self) -> bool:
        """Whether it reads what its teachers stored."""
        return self.store is not None

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

    store: ClassVar[str] = "retort.training.glm_signals:store_clozes"
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

    store: ClassVar[str] = "retort.training.prompt_lessons:store_responses"
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
