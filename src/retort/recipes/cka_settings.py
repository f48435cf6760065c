"""How the released scripts of the CKA paper train: one record a script."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, fields
from typing import Literal

from retort.config.loading import REPOSITORY

TABLE = REPOSITORY / "resources" / "paper" / "cka" / "hyper_parameters.csv"


@dataclass(frozen=True)
class Released:
    """A script of the authors' repository (Sayan21/-ICLR25-CKA).

    All train by AdamW with betas 0.9 and 0.999, without warm-up or clipping.

    Attributes:
        script: its path.
        method: name of the recipe that does what it does; empty: side experiments and others' models.
        stage: what it trains, and on what; ``teacher``: a teacher by labels.
        data, teacher, student: as it names them.
        loss: what its loss is made of.
        temperature: of the divergence of words.
        batch: texts of a micro-batch; ``accumulation``: micro-batches of an update.
        learning_rate: peak; ``None``: an argument of the script.
        projection_rate, projection_decay: of the baseline's projection, which has an optimiser of its own.
        weight_decay, adam_eps: of the student.
        schedule: to zero.
        epochs: passes over the data, or over ``batches`` micro-batches of a stream.
        source_tokens, target_tokens: longest texts.
        notes: what else it does.
    """

    script: str
    method: str
    stage: Literal["pretraining", "task", "teacher"]
    data: str
    teacher: str
    student: str
    loss: str
    temperature: float
    batch: int
    accumulation: int
    learning_rate: float | None
    projection_rate: float | None
    projection_decay: float | None
    weight_decay: float
    adam_eps: float
    schedule: Literal["linear", "cosine"]
    epochs: int
    batches: int | None
    source_tokens: int | None
    target_tokens: int | None
    notes: str

    @property
    def texts_an_update(self) -> int:
        """The global batch."""
        return self.batch * self.accumulation


@functools.cache
def released() -> tuple[Released, ...]:
    """All scripts, in the table's order."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return tuple(_record(row) for row in csv.DictReader(stream))


def _record(row: dict[str, str]) -> Released:
    def value(text: str, kind: str) -> str | int | float | None:
        if "None" in kind and not text:
            return None
        if kind.startswith("int"):
            return int(text)
        return float(text) if kind.startswith("float") else text

    return Released(**{f.name: value(row[f.name], str(f.type)) for f in fields(Released)})  # type: ignore[arg-type]


_DATA = {"CNN-DM": "CNN/DM", "IWSLT17-en-fr": "IWSLT2017 en-fr", "WMT16-en-ro": "WMT16 en-ro"}
"""How the table calls tasks whose names it does not use."""

_GOES_ON_AS = {
    ("BART CKA C4", "task"): "BART CKA",
    ("BART linear C4", "task"): "BART linear",
    ("BART none C4", "task"): "BART none",
    ("mBART none", "pretraining"): "mBART linear",
}
"""Steps without a script of their own, and the row whose scripts they are. The line that would load what a
first stage on C4 made is commented out in those scripts; that of ``mBART none`` loads what linear's made."""


def released_for(method: str, stage: Literal["pretraining", "task"], task: str | None) -> Released | None:
    """The script that trained a method, on that very task where there is one; ``None``: there is none."""
    row = _GOES_ON_AS.get((method, stage), method)
    found = [record for record in released() if record.method == row and record.stage == stage]
    if task is not None:
        named = _DATA.get(task, task)
        found = [record for record in found if record.data.startswith(named)] + found
    return found[0] if found else None
