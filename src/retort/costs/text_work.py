"""Work of stages on transformers models, from architecture, lengths and numbers of examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from retort.corpora import TextCorpus
from retort.costs.flops import word_logits
from retort.costs.sizes import Sizes
from retort.costs.terms import Rows
from retort.costs.text_flops import forward, output_width, two_stacks, update
from retort.costs.text_generation import written
from retort.costs.text_sizes import Lengths, TextSize
from retort.costs.text_steps import TextRows, class_head, lens_parameters, micro_batch, text_model
from retort.costs.work import NOTHING, Work, total
from retort.data.instructions.sets import spec_of
from retort.models.hf.architecture import TextArchitecture
from retort.recipes import Sequences
from retort.runs import ClassRun, Optimiser, PairRun, Pretraining, PromptRun, TaskRun
from retort.stages import Stage

_AT_ONCE, _WRITTEN_AT_ONCE, _COMPARED_AT_ONCE = 128, {"pairs": 128, "prompts": 64}, 64
"""Rows of one forward pass where classes are found, texts are written, and losses on dev are taken."""

_UPDATE = Work(0.0, 0.0, 40.0)
"""Around an update: reading the loss, clipping, the clock."""

_HIDDEN_SHARE = 0.15
"""Of words that BERT-like teachers restore."""

_LENS_ELEMENTS = 10.0
"""Numbers that AdamW writes for each parameter."""

_ROUGE = Work(host=60_000)
"""Importing what scores summaries and responses, once a job: two thirds of a second, told in tokens."""

_JUDGED = 4.0
"""Tokens that Python compares for each token of a text that is scored."""


@dataclass(frozen=True)
class Parts:
    """Of :class:`retort.costs.stage_work.StageWork` what there is for these models."""

    student: Work
    teachers: Work
    evaluation: Work
    steps: float
    tokens: float


def text_work(stage: Stage, sizes: Sizes) -> Parts:
    """Work of a stage, all its runs together."""
    schooling = stage.schooling
    if isinstance(schooling, Pretraining):
        return _pretraining(stage, schooling, sizes)
    parts = [_task(stage, run, sizes) for run in schooling or ()]
    scored = any(run.scoring.kind in ("summarisation", "prompts") for run in schooling or ())
    return Parts(
        total([part.student for part in parts]),
        total([part.teachers for part in parts]),
        total([part.evaluation for part in parts]) + (_ROUGE if scored else NOTHING),
        sum(part.steps for part in parts),
        sum(part.tokens for part in parts),
    )


def responses_work(teacher: Stage, sizes: Sizes) -> Work:
    """A teacher's responses to all training prompts, written word by word."""
    found = NOTHING
    for run in teacher.runs.values():
        assert isinstance(run, PromptRun)
        size = sizes.text(run)
        new = _rolled(run, size)
        chunks = math.ceil(size.train / _WRITTEN_AT_ONCE["prompts"])
        rows = size.train / chunks
        once = written(text_model(teacher), sizes.text_rows(teacher), rows, size.source.longest, new)
        found += chunks * once + Work(host=size.train * size.source.mean)
    return found


# Updates


def _pretraining(stage: Stage, schooling: Pretraining, sizes: Sizes) -> Parts:
    corpus = schooling.corpus
    assert isinstance(corpus, TextCorpus)
    sample = sizes.text_words[stage.data].sample(corpus.length)
    rows = float(min(schooling.micro_batch_size, schooling.batch_size))
    micros = math.ceil(schooling.batch_size / rows)
    share = _HIDDEN_SHARE if corpus.noise == "words" else 1.0
    own = Rows(rows, sample.longest, rows * sample.mean, rows * sample.mean * share)
    batch = TextRows(own, own if two_stacks(text_model(stage)) else None)
    student, teachers = micro_batch(stage, batch, sizes)
    steps, host = schooling.steps, Work(host=micros * batch.tokens)
    once = micros * student + _optimised(stage, schooling.optimiser, sizes) + host
    return Parts(steps * once, steps * micros * teachers, NOTHING, steps, steps * micros * batch.tokens)


def _task(stage: Stage, run: TaskRun, sizes: Sizes) -> Parts:
    size = sizes.text(run)
    rows = min(run.micro_batch_size or run.batch_size, run.batch_size)
    micros = run.epochs * math.ceil(size.train / rows)
    steps = run.epochs * math.ceil(size.train / run.batch_size)
    share = size.train / (rows * math.ceil(size.train / rows))  # the last batch is smaller
    batch = _batch(stage, run, size, rows * share)
    student, teachers = micro_batch(stage, batch, sizes, isinstance(run, ClassRun))
    host = Work(host=micros * batch.tokens)
    rollouts = steps * _rollouts(stage, run, size, sizes) if isinstance(run, PromptRun) else NOTHING
    return Parts(
        micros * student + steps * _optimised(stage, run.optimiser, sizes) + host + rollouts,
        micros * teachers,
        _evaluation(stage, run, size, sizes),
        steps,
        micros * batch.tokens,
    )


def _batch(stage: Stage, run: TaskRun, size: TextSize, rows: float) -> TextRows:
    if isinstance(run, PairRun):
        source = _rows(rows, size.source, run.source, run.padding)
        return TextRows(_rows(rows, size.target, run.target, run.padding), source)
    if isinstance(run, ClassRun):
        return TextRows(_rows(rows, size.source, run.source, run.padding))
    prompt, answer = size.source, size.target
    valid = rows * (prompt.mean + answer.mean)
    length = min(prompt.longest + answer.mean, float(run.length))  # the longest prompt has any response
    return TextRows(Rows(rows, max(length, valid / rows), valid, rows * answer.mean))


def _rows(rows: float, lengths: Lengths, limit: int, padding: str) -> Rows:
    real = rows * min(lengths.mean, float(limit))
    return Rows(rows, lengths.padded(limit, padding), real, real)


def _optimised(stage: Stage, optimiser: Optimiser, sizes: Sizes) -> Work:
    """One step of the optimiser on the student, and of AdamW on what lenses learn."""
    learned = _LENS_ELEMENTS * lens_parameters(stage)
    whole = update(text_model(stage), sizes.text_rows(stage), optimiser)
    return whole + _UPDATE + Work(0.0, learned)


# Texts that are written


def _rollouts(stage: Stage, run: PromptRun, size: TextSize, sizes: Sizes) -> Work:
    """The student's own answers to the prompts of an update, as often as it learns on them."""
    share = _own_share(run.sequences)
    if not share:
        return NOTHING
    rows = float(min(run.batch_size, size.train))
    words = sizes.text_rows(stage)
    return share * written(text_model(stage), words, rows, size.source.longest, _rolled(run, size))


def _own_share(sequences: Sequences) -> float:
    found = sequences.share if sequences.source == "student" else 0.0
    return found + (1 - sequences.share if sequences.otherwise == "student" else 0.0)


def _rolled(run: PromptRun, size: TextSize) -> float:
    """Words of an answer to a training prompt; some row of a batch never ends before the limit."""
    return min(float(run.sampling.max_new), run.longest - size.source.longest)


def _evaluation(stage: Stage, run: TaskRun, size: TextSize, sizes: Sizes) -> Work:
    """All evaluations on dev, the one before training included."""
    times = 1 + (run.epochs if run.evaluations == "per_epoch" else run.evaluations)
    if isinstance(run, ClassRun):
        chunks = math.ceil(size.dev / _AT_ONCE)
        rows = size.dev / chunks
        batch = Rows(rows, size.source.mean, rows * size.source.mean, 0.0)
        once = forward(text_model(stage), rows, batch.length) + class_head(text_model(stage), batch)
        return times * (chunks * once + Work(host=size.dev * size.source.mean))
    return times * total(list(_judged(stage, run, size, sizes)))


def _judged(stage: Stage, run: TaskRun, size: TextSize, sizes: Sizes) -> Iterator[Work]:
    """One evaluation: texts, their scores, and the losses on the right ones."""
    model, words = text_model(stage), sizes.text_rows(stage)
    if isinstance(run, PairRun):
        # At first, and by hard sources, texts are as long as they may be.
        new = min(run.decoding.max_length - 1.0, 1.2 * size.target.longest)
        yield _in_chunks(
            model, words, size.dev, _WRITTEN_AT_ONCE["pairs"], size.source.mean, new, run.decoding.beams
        )
        yield from _losses(stage, _batch(stage, run, size, _COMPARED_AT_ONCE), size.dev, sizes)
    elif isinstance(run, PromptRun):
        for name, one in size.sets.items():
            new = float(min(run.sampling.max_new, spec_of(name).longest))
            yield _in_chunks(model, words, one.dev, _WRITTEN_AT_ONCE["prompts"], one.prompt.mean, new)
            valid = _COMPARED_AT_ONCE * (one.prompt.mean + one.response.mean)
            longest = min(one.prompt.longest + one.response.longest, float(run.length))
            predicted = _COMPARED_AT_ONCE * one.response.mean
            batch = TextRows(Rows(_COMPARED_AT_ONCE, longest, valid, predicted))
            yield from _losses(stage, batch, one.dev, sizes)
            yield from _reread(stage, one.dev, one.prompt.mean, new, sizes)


def _reread(stage: Stage, texts: float, prompt: float, new: float, sizes: Sizes) -> Iterator[Work]:
    """The teacher's loss of what the student wrote."""
    for teacher in stage.teachers[:1]:
        model, length = text_model(teacher), prompt + new
        logits = word_logits(texts * new, sizes.text_rows(teacher), output_width(model), trained=False)
        yield forward(model, texts, length, 0.0, texts * length) + logits


def _in_chunks(
    model: TextArchitecture, words: int, texts: float, at_once: int, read: float, new: float, beams: int = 1
) -> Work:
    chunks = math.ceil(texts / at_once)
    host = Work(host=texts * (read + _JUDGED * new))
    return chunks * written(model, words, texts / chunks, read, new, beams) + host


def _losses(stage: Stage, batch: TextRows, texts: float, sizes: Sizes) -> Iterator[Work]:
    """Cross-entropy of the right words, and the divergence from a teacher."""
    chunks, own = texts / _COMPARED_AT_ONCE, batch.own
    for each in (stage, *stage.teachers[:1]):
        model = text_model(each)
        logits = word_logits(own.predicted, sizes.text_rows(each), output_width(model), trained=False)
        again = 2 if stage.teachers and each is stage else 1  # once for each of the two losses
        yield chunks * (forward(model, own.rows, own.length, 0.0, batch.read) + again * logits)
