"""What a model of a plan is, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retort.config.texts import TextTask, Track
from retort.errors import InputError
from retort.exports.cards import Subject
from retort.papers import paper_of
from retort.recipes.cka import METHODS
from retort.recipes.cka_one_recipe import METHODS as ONE_RECIPE

if TYPE_CHECKING:
    from retort.cells import Cell
    from retort.plan import Plan

PAPER = "cka"


def subject_of(plan: Plan, stage: str, task: str) -> tuple[Subject, TextTask]:
    """The subject of a model card, and the settings of its task.

    Args:
        plan: of the run.
        stage: id of a task stage.
        task: one of its tasks.

    Raises:
        InputError: no cell of the plan shows this stage's result, or no track has its model and task.
    """
    cell = _cell(plan, stage)
    first, sign, second = cell.pair.partition("-")
    student, teacher = (second, first) if sign else (first, None)
    track = _track(plan, student, task)
    settings = track.tasks[task]
    imported = track.import_teacher.get(first)
    subject = Subject(
        paper=PAPER,
        scale=plan.config.scale,
        family=track.family,
        student=student,
        teacher=teacher,
        teacher_from=None if imported is None else Path(imported).name,
        task=task,
        method=cell.method,
        citation=_citation(cell),
        seed=cell.seed,
        source=settings.source,
        data=plan.config.data.source,
    )
    return subject, settings


def _cell(plan: Plan, stage: str) -> Cell:
    """The first of the table entries that show the result of a stage."""
    for cell in plan.cells:
        if any(shown.id == stage for shown in cell.stages):
            return cell
    raise InputError(f"--stage: no table shows {stage!r}; 'make plan' lists task stages and who uses them")


def _track(plan: Plan, symbol: str, task: str) -> Track:
    tracks = () if plan.config.cka is None else plan.config.cka.tracks.values()
    for track in tracks:
        if symbol in track.models and task in track.tasks:
            return track
    raise InputError(f"--task: no track of {PAPER} has the model {symbol!r} and the task {task!r}")


def _citation(cell: Cell) -> str:
    """Of the method; a switched quirk stands behind the name of what it changes."""
    if cell.role == "teacher":
        return f"Fine-tuned as a teacher of {paper_of(PAPER).title}."
    found = {method.name: method.citation for method in (*METHODS, *ONE_RECIPE)}
    return found[cell.method.partition(" [")[0]]
