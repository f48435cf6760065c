"""How the released code of the ATKD paper trains and generates: one record."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, fields
from typing import Literal

from retort.config.loading import REPOSITORY
from retort.errors import InputError

TABLE = REPOSITORY / "resources" / "paper" / "atkd" / "hyper_parameters.csv"


@dataclass(frozen=True)
class Released:
    """Settings of the authors' repository (WHU-ZQH/ATKD), the same for all methods and models.

    How many devices trained is not said, so that texts of an update are known for one of them only. The seed
    is the default of transformers, and what is evaluated is the last checkpoint.

    Attributes:
        epochs, learning_rate, schedule, warmup, weight_decay, beta1, beta2, adam_eps, clip_norm: of AdamW;
            ``warmup`` is a share of the run.
        precision: of the arithmetic; losses are in float32.
        micro_batch: texts at once on a device; ``accumulation``: micro-batches of an update.
        max_length: tokens of a text, padded to that.
        easy_weight: lambda; ``hard_share``: k, as the median has it.
        target_weight, others_weight: of decoupled KD's two parts.
        temperature: of both models.
        forward_weight: of the forward KL in what is called a JSD.
        student_share: of the micro-batches on the student's own texts, where they are mixed.
        rollout_tokens: longest answer that a student writes in training; ``answer_tokens``: in evaluation.
            Both greedily, unless a model's own settings say otherwise.
    """

    epochs: int
    learning_rate: float
    schedule: Literal["cosine"]
    warmup: float
    weight_decay: float
    beta1: float
    beta2: float
    adam_eps: float
    clip_norm: float
    precision: Literal["bfloat16"]
    micro_batch: int
    accumulation: int
    max_length: int
    easy_weight: float
    hard_share: float
    target_weight: float
    others_weight: float
    temperature: float
    forward_weight: float
    student_share: float
    rollout_tokens: int
    answer_tokens: int


@functools.cache
def released() -> Released:
    """The record.

    Raises:
        InputError: the table has other rows than the record has fields.
    """
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = {row["name"]: row["value"] for row in csv.DictReader(stream)}
    kinds = {field.name: str(field.type) for field in fields(Released)}
    if rows.keys() != kinds.keys():
        wrong = ", ".join(sorted(rows.keys() ^ kinds.keys()))
        raise InputError(f"{TABLE}: rows that are missing or unknown: {wrong}; make them those of {Released}")
    return Released(**{name: _value(rows[name], kind) for name, kind in kinds.items()})  # type: ignore[arg-type]


def _value(text: str, kind: str) -> str | int | float:
    return int(text) if kind == "int" else float(text) if kind == "float" else text
