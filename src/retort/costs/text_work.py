"""Work of stages on transformers models, from architecture, lengths and numbers of examples."""

from __future__ import annotations

from retort.costs.sizes import Sizes
from retort.costs.text_sizes import TextSize
from retort.costs.work import NOTHING, Work
from retort.models.hf.architecture import TextArchitecture
from retort.stages import PairRun, Pretraining, Stage, TaskRun

_BACKWARD = 2
"""Backward passes cost twice what forward passes do."""

_LAUNCHES = 25
"""Operations of a layer."""


def text_parameters(model: TextArchitecture, words: int) -> float:
    """Parameters of a model that predicts words: tables and matrices, what is small left out."""
    attention, feed_forward = 4 * model.width**2, 2 * model.width * model.inner
    encoder = model.encoder_layers * (attention + feed_forward)
    decoder = model.decoder_layers * (2 * attention + feed_forward)
    return encoder + decoder + (words + model.positions) * model.width


def text_work(stage: Stage, sizes: Sizes) -> tuple[Work, Work, Work, Work, float, float]:
    """What :class:`retort.costs.stage_work.StageWork` holds: student, teachers, evaluation, avoided, steps,
    tokens.
    """
    schooling = stage.schooling
    if isinstance(schooling, Pretraining):
        tokens = float(schooling.batch_size * schooling.corpus.length)
        return _updates(stage, float(schooling.steps), tokens, sizes)
    student = teachers = evaluation = NOTHING
    steps = tokens = 0.0
    for run in schooling or ():
        size = sizes.text(run)
        updates = run.epochs * -(-size.train // run.batch_size)
        mine, theirs, _, _, _, read = _updates(stage, updates, run.batch_size * size.tokens, sizes)
        student, teachers, steps, tokens = student + mine, teachers + theirs, steps + updates, tokens + read
        evaluation += _evaluations(stage, run, size, sizes)
    return student, teachers, evaluation, NOTHING, steps, tokens


def responses_work(teacher: Stage, sizes: Sizes) -> Work:
    """Responses of a teacher to all training prompts, written word by word."""
    assert isinstance(teacher.architecture, TextArchitecture)
    words = sizes.text_rows(teacher)
    parts = [sizes.text(run) for run in teacher.runs.values()]
    return sum((_forward(teacher.architecture, one.train * one.tokens, words) for one in parts), NOTHING)


def _updates(
    stage: Stage, steps: float, tokens: float, sizes: Sizes
) -> tuple[Work, Work, Work, Work, float, float]:
    assert isinstance(stage.architecture, TextArchitecture)
    words = sizes.text_rows(stage)
    student = (1 + _BACKWARD) * _forward(stage.architecture, tokens, words)
    teachers = NOTHING
    for teacher in stage.teachers:
        assert isinstance(teacher.architecture, TextArchitecture)
        teachers += _forward(teacher.architecture, tokens, words)
    return steps * student, steps * teachers, NOTHING, NOTHING, steps, steps * tokens


def _evaluations(stage: Stage, run: TaskRun, size: TextSize, sizes: Sizes) -> Work:
    """Forward passes on dev; texts are generated word by word, each beam for itself."""
    assert isinstance(stage.architecture, TextArchitecture)
    times = 1 + (run.epochs if run.evaluations == "per_epoch" else run.evaluations)
    beams = run.decoding.beams if isinstance(run, PairRun) else 1
    return times * beams * _forward(stage.architecture, size.dev * size.tokens, sizes.text_rows(stage))


def _forward(model: TextArchitecture, tokens: float, words: int) -> Work:
    layers = model.encoder_layers + model.decoder_layers
    return Work(
        2 * tokens * text_parameters(model, words),
        tokens * layers * 12 * model.width,
        layers * _LAUNCHES,
        tokens,
    )
