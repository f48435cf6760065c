"""Table 1: which features each method learns from in which phase, made from the recipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from retort.distill.objective import Phase, Term
from retort.recipes import Method
from retort.recipes.outline import STUDENT_LAYERS, TEACHER_LAYERS, Part, layers_of, outline
from retort.reporting.recipes import NOTE, configured
from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table, title_of

if TYPE_CHECKING:
    import pandas as pd

FEATURES = ("embeddings", "attention", "hidden_states", "qkv_relations", "logits", "hard_labels")
PHASES: tuple[Phase, ...] = ("pretraining", "task")
COLUMNS = ("section", "method", "phase", "stage", "widths", *FEATURES)
EVERY = "•"

_SITES = {
    "scores": "attention", "probs": "attention", "q": "qkv_relations", "k": "qkv_relations",
    "v": "qkv_relations", "words": "logits", "class": "logits", "hard": "hard_labels",
}  # fmt: skip
_PHASES = {"pretraining": "Corpus", "task": "Task"}
_TITLES = {"qkv_relations": "Q, K, V relations"}
_NOTES = (
    NOTE,
    f"Corpus: in pretraining. {EVERY} in every stage of that phase; numbers: in these stages only; "
    "= and ≠: for equal and unequal widths of teacher and student only.",
    "Logits: soft labels or distributions of words. Q, K, V: any of the three. Hard labels: gold labels, in "
    "pretraining gold words, with a teacher or without one.",
    "Embeddings are layer 0 of the hidden states; layer maps were asked about "
    f"{STUDENT_LAYERS} layers that learn from {TEACHER_LAYERS}.",
)


def table1(results: Results) -> Table:
    """Build the table; the data have one row a stage, with 1 for what it learns from."""
    rows = configured(results)
    titles = [
        f"{_PHASES[phase]}: {_TITLES.get(name, name.replace('_', ' '))}"
        for phase in PHASES
        for name in FEATURES
    ]
    return Table(
        name="table1",
        title="What each method learns from",
        columns=(Column("Method"), *map(Column, titles)),
        lines=tuple(Line(tuple(_cells(method)), title_of(section)) for section, method in rows),
        data=_data(rows),
        notes=_NOTES,
    )


def features(part: Part) -> frozenset[str]:
    """What a stage learns from, of :data:`FEATURES`; sites that are none of them go without."""
    return frozenset(name for term in part.objective.terms for name in _features(term))


def _features(term: Term) -> Iterator[str]:
    if term.site in _SITES:
        yield _SITES[term.site]
    if term.site in ("hidden", "encoder"):
        layers = {layer for pair in layers_of(term) for layer in pair.student}
        yield from ["embeddings"] * (0 in layers) + ["hidden_states"] * bool(layers - {0})


def _cells(method: Method) -> Iterator[Cell]:
    yield Cell(method.name)
    for phase in PHASES:
        parts = [part for part in outline(method) if part.step.phase == phase]
        for name in FEATURES:
            yield Cell(_mark(parts, [part for part in parts if name in features(part)]))


def _mark(parts: Sequence[Part], used: Sequence[Part]) -> str:
    """Nothing, a mark for all, or which of the stages."""
    if len(used) == len(parts):
        return EVERY if used else ""
    signs = {"equal widths": "=", "unequal widths": "≠"}
    return ", ".join(dict.fromkeys(signs.get(part.only, _number(part)) for part in used))


def _number(part: Part) -> str:
    return part.title.partition(" ")[2].replace(" to ", "–")


def _data(rows: list[tuple[str, Method]]) -> pd.DataFrame:
    import pandas as pd

    records = [
        (section, method.name, part.step.phase, part.title, part.only.removesuffix(" widths") or "any")
        + tuple(int(name in features(part)) for name in FEATURES)
        for section, method in rows
        for part in outline(method)
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))
