"""Work of one micro-batch of a transformers model: passes, words, lenses and distances."""

from __future__ import annotations

from dataclasses import dataclass

from retort.costs.flops import word_logits
from retort.costs.reads import Reads, reads
from retort.costs.sizes import Sizes
from retort.costs.terms import Rows, Widths, layer_term, word_term
from retort.costs.text_flops import backward, forward, output_width
from retort.costs.work import NOTHING, Work, total
from retort.distill.lenses import SharedProject
from retort.models.features import Shape
from retort.models.hf.architecture import TextArchitecture
from retort.stages import Stage


@dataclass(frozen=True)
class TextRows:
    """A micro-batch: rows of the stack whose sites are recorded, and those of the encoder before it."""

    own: Rows
    source: Rows | None = None

    @property
    def read(self) -> float:
        """Padded tokens of the encoder's input; 0 without one."""
        return 0.0 if self.source is None else self.source.length

    @property
    def tokens(self) -> float:
        """Real ones of all stacks."""
        return self.own.valid + (0.0 if self.source is None else self.source.valid)


def shape(stage: Stage, sizes: Sizes) -> Shape:
    """Depth, width, heads and vocabulary of a stage's model."""
    model, words = text_model(stage), sizes.text_rows(stage)
    if model.decoder_layers:
        return Shape(model.decoder_layers, model.width, model.heads, words, model.encoder_layers)
    return Shape(model.encoder_layers, model.width, model.heads, words)


def text_model(stage: Stage) -> TextArchitecture:
    """The architecture of a stage that is counted here."""
    assert isinstance(stage.architecture, TextArchitecture)
    return stage.architecture


def lens_parameters(stage: Stage) -> float:
    """Of the projection that all terms share, where there is one."""
    via = [step for term in stage.objective.terms for step in term.via]
    if not any(isinstance(step, SharedProject) for step in via):
        return 0.0
    ours, theirs = text_model(stage).width, text_model(stage.teachers[0]).width
    return float(ours * theirs + theirs)


def micro_batch(stage: Stage, batch: TextRows, sizes: Sizes, classes: bool = False) -> tuple[Work, Work]:
    """Work of one micro-batch: the student's with the objective's, and the teachers'.

    Args:
        stage: of which it is.
        batch: its rows.
        sizes: of the data.
        classes: whether gold labels are classes, not words.
    """
    ours, theirs = shape(stage, sizes), tuple(shape(teacher, sizes) for teacher in stage.teachers)
    seen = reads(stage.objective, ours, theirs)
    model, own = text_model(stage), batch.own
    there = forward(model, own.rows, own.length, seen.visible, batch.read)
    back = backward(model, own.rows, own.length, seen.visible, seen.depth, batch.read)
    student = seen.student_passes * (there + back)
    if seen.gold and not classes:
        gold = word_logits(own.predicted, ours.vocab, output_width(model), trained=True)
        student += _golden(stage) * gold
    teachers = total(
        [
            times * forward(text_model(teacher), own.rows, own.length, shown, batch.read)
            for teacher, times, shown in zip(
                stage.teachers, seen.teacher_passes, seen.teacher_visible, strict=True
            )
        ]
    )
    if classes:
        student += 3 * class_head(model, own)
        teachers += total([class_head(text_model(teacher), own) for teacher in stage.teachers])
    mine, logits = _terms(stage, batch, ours, theirs, seen)
    return student + mine, teachers + logits


def _golden(stage: Stage) -> float:
    """Whether the loss of gold words is one of the terms."""
    return float(any(term.site == "hard" for term in stage.objective.terms))


def class_head(model: TextArchitecture, batch: Rows) -> Work:
    """The layer before the classes, at one position of a row instead of all as before words. Classes
    themselves are next to nothing.
    """
    return Work(2.0 * (batch.rows - batch.padded) * model.width**2, 0.0, 10.0)


def _terms(
    stage: Stage, batch: TextRows, ours: Shape, theirs: tuple[Shape, ...], seen: Reads
) -> tuple[Work, Work]:
    """Work of the objective's terms: with the student's share, and teacher logits apart."""
    widths = Widths(
        output_width(text_model(stage)), tuple(output_width(text_model(each)) for each in stage.teachers)
    )
    found, logits = NOTHING, NOTHING
    for term, share in zip(stage.objective.terms, seen.terms, strict=True):
        rows = batch.source if term.site == "encoder" and batch.source is not None else batch.own
        if term.site == "words":
            mine, other = word_term(term, rows, ours, widths)
            found, logits = found + share * mine, logits + share * other
        elif term.layers is not None:
            found += share * total([layer_term(term, rows, ours, teacher) for teacher in theirs])
        else:
            found += share * Work(0.0, 0.0, 30.0)
    return found, logits
