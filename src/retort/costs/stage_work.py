"""Work of a stage: its updates, its evaluations, and what its teachers add."""

from __future__ import annotations

import math
from dataclasses import dataclass

from retort.corpora import Corpus
from retort.costs.flops import (
    around,
    backward,
    blocks,
    forward,
    output_width,
    update,
    word_logits,
)
from retort.costs.reads import Reads, cacheable, reads
from retort.costs.sizes import Sizes, TaskSize
from retort.costs.terms import Rows, Widths, layer_term, word_term
from retort.costs.text_work import responses_work, text_work
from retort.costs.work import NOTHING, Work, total
from retort.data.superglue.tasks import spec_of
from retort.models.features import Shape
from retort.models.glm_architecture import Architecture
from retort.models.hf.architecture import TextArchitecture
from retort.runs import Pretraining, TaskRun
from retort.stages import Stage

_ROWS_AT_ONCE = 128
"""Rows of one forward pass of an evaluation."""

_STORED_AT_ONCE = 32
"""Examples of one forward pass when a teacher's signals are stored."""

_UPDATE = Work(0.0, 0.0, 40.0)
"""Around an update: reading the loss, clipping, the clock."""


@dataclass(frozen=True)
class StageWork:
    """Work of all runs of a stage.

    Attributes:
        student: forward and backward passes, logits, lenses, optimiser.
        teachers: forward passes that really run, and teacher logits.
        evaluation: on dev.
        avoided: forward passes that stored signals save.
        steps: updates; ``tokens``: real tokens trained on.
    """

    student: Work
    teachers: Work
    evaluation: Work
    avoided: Work
    steps: float
    tokens: float

    @property
    def all(self) -> Work:
        """All that is done."""
        return self.student + self.teachers + self.evaluation


def glm(stage: Stage) -> Architecture:
    """The architecture of a stage that is counted here: a GLM's."""
    assert isinstance(stage.architecture, Architecture)
    return stage.architecture


def shape(stage: Stage, sizes: Sizes) -> Shape:
    """Depth, width, heads and vocabulary of a stage's model."""
    model = glm(stage)
    return Shape(model.layers, model.width, model.heads, sizes.compressed(stage.compression))


def stage_work(stage: Stage, sizes: Sizes) -> StageWork:
    """Work of a stage, all its runs together."""
    if isinstance(stage.architecture, TextArchitecture):
        text = text_work(stage, sizes)
        return StageWork(text.student, text.teachers, text.evaluation, NOTHING, text.steps, text.tokens)
    if isinstance(stage.schooling, Pretraining):
        return _pretraining(stage, stage.schooling, sizes)
    runs = stage.schooling or ()
    parts = [task_work(stage, run, sizes) for run in runs]
    return StageWork(
        total([part.student for part in parts]),
        total([part.teachers for part in parts]),
        total([part.evaluation for part in parts]),
        total([part.avoided for part in parts]),
        sum(part.steps for part in parts),
        sum(part.tokens for part in parts),
    )


def _pretraining(stage: Stage, schooling: Pretraining, sizes: Sizes) -> StageWork:
    assert isinstance(schooling.corpus, Corpus)
    sample = sizes.sample(schooling.corpus)
    rows = min(schooling.micro_batch_size, schooling.batch_size)
    parts = math.ceil(schooling.batch_size / rows)
    batch = Rows(rows, sample.padded, rows * sample.tokens, rows * sample.predicted)
    student, teachers = _micro_batch(stage, batch, sizes, None)
    optimiser = update(glm(stage), sizes.compressed(stage.compression), schooling.optimiser)
    host = Work(host=schooling.batch_size * sample.tokens)
    steps = schooling.steps
    return StageWork(
        steps * (parts * student + optimiser + _UPDATE + host),
        steps * parts * total(teachers),
        NOTHING,
        NOTHING,
        steps,
        steps * schooling.batch_size * sample.tokens,
    )


def task_work(stage: Stage, run: TaskRun, sizes: Sizes) -> StageWork:
    """Work of one run of a stage on a task."""
    task = sizes.tasks[run.task]
    examples = min(run.micro_batch_size or run.batch_size, run.batch_size)
    parts = run.epochs * math.ceil(task.train / examples)
    steps = run.epochs * math.ceil(task.train / run.batch_size)
    length = min(task.longest, run.length) if run.padding == "longest" else float(run.length)
    real = min(task.length, run.length)
    rows = examples * task.train_rows
    share = task.train / (examples * math.ceil(task.train / examples))  # the last batch is smaller
    batch = Rows(rows * share, length, rows * share * real, rows * share * max(1.0, task.answer))
    student, teachers = _micro_batch(stage, batch, sizes, run.task)
    optimiser = update(glm(stage), sizes.compressed(stage.compression), run.optimiser)
    host = Work(host=run.epochs * task.train * task.train_rows * real)
    shapes = tuple(shape(teacher, sizes) for teacher in stage.teachers)
    stored = [
        teacher.phase == "task" and cacheable(stage.objective, shapes, number)
        for number, teacher in enumerate(stage.teachers)
    ]
    run_again = [work for work, kept in zip(teachers, stored, strict=False) if not kept]
    logits = teachers[len(stored) :]
    return StageWork(
        parts * student + steps * (optimiser + _UPDATE) + host,
        parts * total([*run_again, *logits]),
        evaluation_work(stage, run, task, sizes),
        parts * total([work for work, kept in zip(teachers, stored, strict=False) if kept]),
        steps,
        run.epochs * task.train * task.train_rows * real,
    )


def evaluation_work(stage: Stage, run: TaskRun, task: TaskSize, sizes: Sizes) -> Work:
    """All evaluations on dev, the one before training included."""
    times = 1 + (run.epochs if run.evaluations == "per_epoch" else run.evaluations)
    rows = task.dev * task.dev_rows
    length = min(task.length, run.length)
    chunks = math.ceil(rows / _ROWS_AT_ONCE)
    batch = Rows(rows / chunks, length, rows / chunks * length, rows / chunks * max(1.0, task.answer))
    once = forward(glm(stage), batch.rows, length) + _classes(stage, batch, run.task, sizes, False)
    return times * (chunks * once + Work(host=rows * length))


def once_a_task(stage: Stage) -> dict[str, TaskRun]:
    """One run of each task, for what all points of a search share: texts, and the teacher's signals."""
    return {run.task: run for run in stage.runs.values()}


def signals_work(teacher: Stage, sizes: Sizes) -> Work:
    """One pass of a fine-tuned teacher over the training examples of all its tasks."""
    if isinstance(teacher.architecture, TextArchitecture):
        return responses_work(teacher, sizes)
    found = NOTHING
    for run in once_a_task(teacher).values():
        task = sizes.tasks[run.task]
        chunks = math.ceil(task.train / _STORED_AT_ONCE)
        rows = task.train * task.train_rows / chunks
        length = min(task.longest, run.length)
        batch = Rows(rows, length, rows * length, rows * max(1.0, task.answer))
        classes = _classes(teacher, batch, run.task, sizes, False)
        once = forward(glm(teacher), rows, length) + classes + Work(host=rows * length)
        found += chunks * once
    return found


def _micro_batch(stage: Stage, batch: Rows, sizes: Sizes, task: str | None) -> tuple[Work, list[Work]]:
    """Work of one micro-batch: the student's, and the forward passes of each teacher.

    A last entry behind those of the teachers, if there is one, cannot be stored: teacher logits.
    """
    ours = shape(stage, sizes)
    theirs = tuple(shape(teacher, sizes) for teacher in stage.teachers)
    seen = reads(stage.objective, ours, theirs)
    work = _student_passes(stage, batch, seen)
    if task is None:
        predicted = word_logits(batch.predicted, ours.vocab, output_width(glm(stage)), trained=True)
        work += seen.gold * predicted
    else:
        work += seen.gold * _classes(stage, batch, task, sizes, True)
    terms, logits = _terms(stage, batch, ours, theirs, seen)
    teachers = [
        times * forward(glm(teacher), batch.rows, batch.length, visible)
        for teacher, times, visible in zip(
            stage.teachers, seen.teacher_passes, seen.teacher_visible, strict=True
        )
    ]
    if task is not None:
        scores = [_classes(teacher, batch, task, sizes, False) for teacher in stage.teachers]
        added = zip(teachers, scores, seen.teacher_gold, strict=True)
        teachers = [forward_only + share * score for forward_only, score, share in added]
    return work + terms, [*teachers, logits]


def _student_passes(stage: Stage, batch: Rows, seen: Reads) -> Work:
    model, rows, length = glm(stage), batch.rows, batch.length
    if seen.kept == 1:
        there = forward(model, rows, length, seen.visible)
        back = backward(model, rows, length, seen.visible, seen.depth)
        return seen.student_passes * (there + back)
    teacher = glm(stage.teachers[0])
    own = 3 * model.layers * blocks(model, rows, length)
    other = teacher.layers * blocks(teacher, rows, length) * 2  # its weights get no gradient
    return 3 * around(model, rows, length) + seen.kept * own + (1 - seen.kept) * other


def _terms(
    stage: Stage, batch: Rows, ours: Shape, theirs: tuple[Shape, ...], seen: Reads
) -> tuple[Work, Work]:
    """Work of the objective's terms: with the student's share, and teacher logits apart."""
    widths = Widths(
        output_width(glm(stage)),
        tuple(output_width(glm(teacher)) for teacher in stage.teachers),
    )
    encoders = stage.objective.ensemble.encoders
    found, logits = NOTHING, NOTHING
    for term, share in zip(stage.objective.terms, seen.terms, strict=True):
        if term.site == "words":
            mine, other = word_term(term, batch, ours, widths)
            found, logits = found + share * mine, logits + share * other
        elif term.layers is not None:
            found += share * total([layer_term(term, batch, ours, teacher) for teacher in theirs[encoders:]])
        else:
            found += share * Work(0.0, 0.0, 30.0)
    return found, logits


def _classes(stage: Stage, batch: Rows, task: str, sizes: Sizes, trained: bool) -> Work:
    """Class scores: a few verbalizers at one position, or whole words at all positions of an answer."""
    width = output_width(glm(stage))
    if sizes.tasks[task].answer:
        return word_logits(batch.predicted, sizes.compressed(stage.compression), width, trained)
    return word_logits(batch.rows, len(spec_of(task).verbalizers), width, trained)
