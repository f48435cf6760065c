"""What each method of the ATKD paper learns on, what it compares and at which words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from retort.recipes.describe import answers
from retort.recipes.wording import compared
from retort.reporting.method_rows import Layout, methods_table
from retort.reporting.results import Results
from retort.reporting.tables import Table
from retort.runs import Pretraining
from retort.track_models import Models
from retort.tracks import Row, TrackPlan

_NOTES = (
    "Made from the recipes. Answers: whose are learned, word by word; prompts are always the data's. "
    "Compares: at which words, then how; a mean over the words of the batch. Of KL, the target is the word "
    "that comes, the others are how the rest of the distribution is shared out.",
    "Every student starts from the same checkpoint, and all methods share rate, epochs and batches, as in "
    "the authors' code.",
)
_LAYOUT = Layout(
    "What each method learns on and compares",
    ("method", "answers", "compares", "rate", "epochs", "students"),
    {"answers": 24, "compares": 44, "students": 20},
    _NOTES,
)


def methods(results: Results) -> Table:
    """Build the table; its data are what it shows, one row a method."""
    return methods_table(results, _LAYOUT, _fields_of)


def _fields_of(track: TrackPlan) -> Iterator[list[str]]:
    for row in (*track.methods, *track.variants):
        yield list(_fields(row, track))


def _fields(row: Row, track: TrackPlan) -> Iterator[str]:
    last = row.method.last
    schooling = track.student(row, row.pairs[0], track.section.seeds[0]).schooling
    assert schooling is not None and not isinstance(schooling, Pretraining)
    (run,) = schooling
    yield row.method.name
    yield answers(last.sequences)
    yield compared(last.objective)
    yield f"{run.optimiser.learning_rate:g}"
    yield str(run.epochs)
    yield ", ".join(_taught(models, last.teacher_share) for models in row.pairs)


def _taught(models: Models, share: Fraction) -> str:
    """``S of T``, ``S of T after 1/3 of its epochs``, ``S of T through A``."""
    teacher, *assistants, student = models
    stopped = "" if share == 1 else f" after {share} of its epochs"
    return f"{student} of {teacher}{stopped}" + "".join(f" through {symbol}" for symbol in assistants)
