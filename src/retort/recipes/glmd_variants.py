"""The rows of the GLMD paper's Tables 4 and 5: GLMD-vc or GLMD with one thing changed.

Each row is made from the method it varies, so that a change to the method reaches all of them. Where the
paper prints scores but not the settings behind them, the settings are ours (``chosen`` says so).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.edits import Edit, StandIns
from retort.distill.objective import Mask, Objective, Term, hard
from retort.recipes import Method, Step
from retort.recipes.glmd import GLMD, GLMD_VC, tinybert_features
from retort.stages import Compression


@dataclass(frozen=True)
class Variant:
    """One row of an ablation table.

    Attributes:
        table: ``table4`` or ``table5``.
        row: number of the row in the paper's table.
        of: name of the method that is varied; the row is compared with it.
        changed: what is changed, in words (Table 4), or the hyper-parameter (Table 5).
        method: the changed method, under a name of its own.
        value: the hyper-parameter's value (Table 5).
        chosen: whether the value is our choice, because the paper does not say it.
    """

    table: str
    row: int
    of: str
    changed: str
    method: Method
    value: float | None = None
    chosen: bool = False


def _with(method: Method, name: str, change: Callable[[tuple[Step, ...]], tuple[Step, ...]]) -> Method:
    return replace(method, name=f"{method.name} {name}", steps=change(method.steps), tuned_as=method.name)


def _each_term(method: Method, name: str, change: Callable[[Term], Term]) -> Method:
    """The method with every term of every step changed."""
    return _with(
        method, name, lambda steps: tuple(replace(s, objective=s.objective.each(change)) for s in steps)
    )


def _each_objective(method: Method, name: str, edit: Edit) -> Method:
    """The method with an edit in every step."""
    return _with(
        method,
        name,
        lambda steps: tuple(replace(s, objective=replace(s.objective, edit=edit)) for s in steps),
    )


def _masked(method: Method, name: str, mask: Mask) -> Method:
    """Other positions in the word term, before and on tasks."""
    return _each_term(method, name, lambda t: replace(t, mask=mask) if t.site == "words" else t)


def _distance(method: Method, name: str, site: str, by: KL | MSE | SoftCrossEntropy) -> Method:
    """Another distance at a site."""
    return _each_term(method, name, lambda t: replace(t, by=by) if t.site == site else t)


def _plus(step: Step, objective: Objective, carry_lenses: bool = False) -> Step:
    summed = step.objective + objective.in_phase(step.phase)
    return replace(step, objective=summed, carry_lenses=carry_lenses)


def _features(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """TinyBERT's feature terms beside the word term; their projection goes on from stage to stage."""
    first, second, last = steps
    return _plus(first, tinybert_features()), _plus(second, tinybert_features(), carry_lenses=True), last


def _compressed(name: str, compression: Compression) -> Method:
    return replace(GLMD, name=f"{GLMD.name} {name}", compression=compression, tuned_as=GLMD.name)


_GLMD_VC_ROWS = (
    (4, "no padding mask in the word term", _masked(GLMD_VC, "no-mask", "none")),
    (5, "word term at predicted positions only", _masked(GLMD_VC, "predicted-only", "predicted")),
    (6, "no word term on tasks", _with(GLMD_VC, "no-task-words", lambda steps: (steps[0], steps[2]))),
    (7, "TinyBERT's feature terms added", _with(GLMD_VC, "+features", _features)),
    (
        8,
        "labels added to the soft loss",
        _with(GLMD_VC, "+hard", lambda steps: (*steps[:2], _plus(steps[2], hard()))),
    ),
    (9, "MSE in place of KL in the word term", _distance(GLMD_VC, "words-mse", "words", MSE())),
    (10, "MSE in place of cross-entropy in the soft loss", _distance(GLMD_VC, "soft-mse", "class", MSE())),
)
_GLMD_ROWS = (
    (13, "substitutes by cosine similarity", _compressed("cosine", Compression(similarity="cosine"))),
    (14, "substitutes by Euclidean distance", _compressed("euclidean", Compression(similarity="euclidean"))),
    (15, "[UNK] for every dropped word", _compressed("unk", Compression(similarity="unk"))),
    (16, "the teacher reads the mapped words, too", _each_objective(GLMD, "teacher-mapped", StandIns())),
)
TABLE4 = (
    *(Variant("table4", row, GLMD_VC.name, changed, method) for row, changed, method in _GLMD_VC_ROWS),
    *(Variant("table4", row, GLMD.name, changed, method) for row, changed, method in _GLMD_ROWS),
)


def _word_temperature(value: float) -> Method:
    return _distance(GLMD_VC, f"tau1={value:g}", "words", KL(value))


def _soft_temperature(value: float) -> Method:
    return _distance(GLMD_VC, f"tau2={value:g}", "class", SoftCrossEntropy(value))


def _batch_size(of_64: int) -> Method:
    """The pretraining batch as a share of the paper's 64 samples, whatever a scale's own batch is."""
    share = of_64 / 64
    return _with(
        GLMD_VC,
        f"batch={of_64}",
        lambda steps: tuple(
            replace(s, batch_share=share if s.phase == "pretraining" else 1.0) for s in steps
        ),
    )


def _ratio(value: float) -> Method:
    return _compressed(f"alpha={value:g}", Compression(ratio=value))


def _sweep(
    first: int,
    of: Method,
    parameter: str,
    values: tuple[float, ...],
    make: Callable[..., Method],
    chosen: bool,
) -> tuple[Variant, ...]:
    return tuple(
        Variant("table5", row, of.name, parameter, make(value), value, chosen)
        for row, value in enumerate(values, start=first)
    )


TABLE5 = (
    *_sweep(4, GLMD_VC, "temperature of the word term", (1, 5, 10, 20), _word_temperature, True),
    *_sweep(8, GLMD_VC, "temperature of the soft loss", (2, 3, 5, 7, 10, 15, 20), _soft_temperature, True),
    *_sweep(15, GLMD_VC, "pretraining batch, of 64", (8, 16, 32, 128), _batch_size, False),
    *_sweep(21, GLMD, "share of the vocabulary that is kept", (0.4, 0.2, 0.1), _ratio, True),
)

VARIANTS = (*TABLE4, *TABLE5)
