"""Methods as values.

A method is a name and a sequence of steps; :mod:`retort.plan` turns the steps into stages for a
teacher, a student size and a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from retort.distill.objective import Objective, Phase
from retort.models.hf.architecture import Kind, Slices
from retort.stages import Compression


@dataclass(frozen=True)
class Sequences:
    """Whose texts a language model learns on: prompts are always the data's.

    Attributes:
        source: whose answers: the ``data``'s own, the ``teacher``'s, written once for all students, or the
            ``student``'s, written anew with its present weights. No gradient goes through what is written.
        share: of the updates that learn on these, drawn for each update; the others learn on ``otherwise``.
    """

    source: Literal["data", "teacher", "student"] = "data"
    share: float = 1.0
    otherwise: Literal["data", "teacher"] = "data"

    @property
    def from_teacher(self) -> bool:
        """Whether any are the teacher's."""
        return "teacher" in (self.source, self.otherwise)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is more than 0 and at most 1, not {self.share}")


DATA = Sequences()
"""The data's own texts."""


@dataclass(frozen=True)
class Step:
    """One stage of a method before it is tied to models, data and a seed.

    Attributes:
        phase: ``pretraining`` or ``task``.
        objective: resolved for the phase.
        carry_lenses: go on with the lens parameters of the step before.
        encoder: put the first teacher as it was before fine-tuning in front of the teachers (RL-KD's
            state encoder).
        batch_share: samples of a pretraining batch as a share of the scale's (Table 5 of the GLMD paper).
        sequences: whose answers it learns on, where a language model is trained on prompts.
        teacher_share: its teachers were fine-tuned for this share of their epochs, and by a schedule as
            short as that: early-stopped ones. Of transformers models.
    """

    phase: Phase
    objective: Objective
    carry_lenses: bool = False
    encoder: bool = False
    batch_share: float = 1.0
    sequences: Sequences = DATA
    teacher_share: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if not 0 < self.teacher_share <= 1:
            raise ValueError(f"teacher_share is more than 0 and at most 1, not {self.teacher_share}")


@dataclass(frozen=True)
class Chain:
    """Teacher assistants: each model of a pair is distilled from the larger ones before it.

    Attributes:
        links: one task step for each model after the first; it goes on from the steps of its method, which
            each model takes by itself.
        dense: learn from all larger models, not just from the next larger one.
    """

    links: tuple[Step, ...]
    dense: bool


@dataclass(frozen=True)
class Cut:
    """How a student is cut out of a teacher where a method starts from a teacher's first layers.

    Attributes:
        fused: cut the fused query-key-value matrix as one block (quirk ``fused-truncation``).
        source: the teacher of the step itself, or the first teacher as it was before fine-tuning
            (quirk ``truncation-source``).
    """

    fused: bool = True
    source: Literal["teacher", "pretrained"] = "teacher"


@dataclass(frozen=True)
class Method:
    """A row of a table.

    Attributes:
        name: as the paper prints it.
        steps: trained one after the other, each from the result of the one before. With a chain: what each
            model of it takes before its link, without a teacher.
        citation: the method's own publication.
        start: what the first step starts from: random parameters, or the first layers of the (first)
            teacher of that step.
        cut: how, where it starts from a teacher: a GLM, or a transformers model.
        unequal: steps to take instead where teacher and student differ in width.
        several: learns from the teachers of a pair like (T1,T2)-S2, smallest first.
        chain: for rows with assistants.
        compression: compress the student's vocabulary.
        embedding: the student's word embeddings: whole, ALBERT-like factorised or
            MobileBERT-like trigram; both of half the student's width.
        tuned_as: row of the table of hyper-parameters that it takes; empty: its own.
        family: kind of model that it is for; ``causal``: any that predicts the next word.
    """

    name: str
    steps: tuple[Step, ...]
    citation: str
    start: Literal["random", "truncate"] = "random"
    cut: Cut | Slices = Cut()
    unequal: tuple[Step, ...] = ()
    several: bool = False
    chain: Chain | None = None
    compression: Compression | None = None
    embedding: Literal["full", "factorised", "trigram"] = "full"
    tuned_as: str = ""
    family: Literal["glm", "causal"] | Kind = "glm"

    @property
    def last(self) -> Step:
        """What trains the student that is scored, where widths are equal."""
        return self.steps[-1] if self.chain is None else self.chain.links[-1]

    @property
    def every_step(self) -> tuple[Step, ...]:
        """Whichever way the method goes."""
        return (*self.steps, *self.unequal, *(() if self.chain is None else self.chain.links))


def pretrain(objective: Objective) -> Step:
    """A step on the pretraining corpus."""
    return Step("pretraining", objective.in_phase("pretraining"))


def finetune(objective: Objective, carry_lenses: bool = False, encoder: bool = False) -> Step:
    """A step on each task."""
    return Step("task", objective.in_phase("task"), carry_lenses, encoder)


def compressed(method: Method, name: str, compression: Compression) -> Method:
    """The same method for a student with a compressed vocabulary."""
    return replace(method, name=name, compression=compression)
