"""Which code a stage's result depends on: where its script starts, and what its values are made of."""

from __future__ import annotations

from pathlib import Path

from retort.fingerprint import fingerprint
from retort.recipes.own import module_name
from retort.stages import Stage, value_types

_SETTINGS = "retort.training.setup:prepare_process"
_ENTRY = {
    "import": ("retort.training.pretraining:import_teacher",),
    "pretraining": ("retort.training.pretraining:pretrain", _SETTINGS),
    "task": ("retort.training.tasks:train_tasks", _SETTINGS),
}
"""What the scripts call, by what a stage does."""

_SEVERAL = "retort.training.sharding:Team"
"""What trains on several devices. Their number is no part of a stage, so this code is part of every one's."""


def stage_code(stage: Stage, recipes: str | None) -> str:
    """Fingerprint of all code that a stage's result depends on; ``recipes``: the user's own file."""
    entry = _ENTRY["import" if stage.imported else stage.phase]
    own = None if recipes is None else Path(recipes)
    files = {} if own is None else {module_name(own): own}
    several = () if stage.imported else (_SEVERAL,)
    cut = stage.truncated and stage.truncated.part
    models = tuple(each.architecture for each in (stage, *stage.ancestors()))
    values = (stage.objective, models, stage.schooling, cut)
    read = [kind for value in values for kind in value_types(value)]
    return fingerprint(sorted({*entry, *several, *read}), files)


def signals_code(teacher: Stage) -> str:
    """Fingerprint of all code that what is stored of a fine-tuned teacher depends on."""
    stores = {run.store for run in teacher.runs.values() if run.store is not None}
    read = {*value_types(teacher.architecture), *value_types(teacher.schooling)}
    return fingerprint(sorted({"retort.training.signals:store_signals", _SETTINGS, *stores, *read}))
