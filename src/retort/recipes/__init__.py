"""Methods as values.

A method is a name and a sequence of steps; :mod:`retort.plan` turns the steps into stages for
teachers, a student size and a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from retort.distill.objective import Objective, Phase
from retort.stages import Compression


@dataclass(frozen=True)
class Step:
    """One stage of a method before it is tied to models, data and a seed.

    Attributes:
        phase: ``pretraining`` or ``task``.
        objective: resolved for the phase.
        carry_lenses: go on with the lens parameters of the step before.
        encoder: the pretrained, not fine-tuned first teacher precedes the teachers (see
            :attr:`retort.distill.ensembles.Ensemble.encoders`).
    """

    phase: Phase
    objective: Objective
    carry_lenses: bool = False
    encoder: bool = False


@dataclass(frozen=True)
class Chain:
    """Teacher assistants: every model of a pair like T2-A1-A2-S2 but the first is trained by the method.

    Attributes:
        teachers: a link learns from the model before it, or from all before it, the nearest first.
        first: steps of the first assistant, if they are others.
    """

    teachers: Literal["nearest", "all"]
    first: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Method:
    """A row of a table.

    Attributes:
        name: as the paper prints it.
        steps: trained one after the other, each from the result of the one before.
        citation: the method's own publication.
        start: what the first step starts from: random parameters, or the first layers of the first
            teacher of its phase (the smallest; in a chain the nearest).
        narrower: steps instead, where the student is narrower than the teacher.
        equal_widths: the method compares hidden states, or exchanges blocks, dimension by dimension and
            cannot run otherwise.
        chain: how teacher assistants follow one another; ``None``: teachers, then a student.
        compression: compress the student's vocabulary.
        embedding: the student's word embeddings: whole, ALBERT-like factorised or
            MobileBERT-like trigram; both of half the student's width.
    """

    name: str
    steps: tuple[Step, ...]
    citation: str
    start: Literal["random", "truncate"] = "random"
    narrower: tuple[Step, ...] = ()
    equal_widths: bool = False
    chain: Chain | None = None
    compression: Compression | None = None
    embedding: Literal["full", "factorised", "trigram"] = "full"


def pretrain(objective: Objective) -> Step:
    """A step on the pretraining corpus."""
    return Step("pretraining", objective.in_phase("pretraining"))


def finetune(objective: Objective, carry_lenses: bool = False, encoder: bool = False) -> Step:
    """A step on each task."""
    return Step("task", objective.in_phase("task"), carry_lenses, encoder)


def compressed(method: Method, name: str, compression: Compression) -> Method:
    """The same method for a student with a compressed vocabulary."""
    return replace(method, name=name, compression=compression)
