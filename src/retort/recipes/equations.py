"""An objective as an equation: weight times sum over layers of distance(lens(student), lens(teacher)).

Arithmetic is in :mod:`retort.distill`; this is typography alone. The symbols are explained in
:mod:`retort.recipes.notation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from retort.distill.edits import Edit, ReplaceBlocks, ReplaceSomeBlocks, StandIns, SwapResiduals, SwapTokens
from retort.distill.ensembles import (
    Ensemble,
    InverseTeacherLoss,
    Mean,
    Policy,
    Reinforce,
    RouteByEntropy,
    RouteToMeans,
    SumOfSurvivors,
)
from retort.distill.objective import Objective, Term
from retort.distill.schedules import Scaled, Weight
from retort.recipes.comparisons import DISTANCES, MASKS, comparison, mask_name, times
from retort.recipes.formulas import (
    Indices,
    Tap,
    by_layer,
    chain,
    indices,
    number,
    own_name,
    renderer_of,
    schedule,
    upright,
)
from retort.recipes.outline import trained

SITES = {
    "hidden": "H", "encoder": "E", "scores": "A", "probs": "P", "q": "Q", "k": "K", "v": "V", "words": "w",
    "class": "c",
}  # fmt: skip
KEPT = r"\mathcal{K}"
LOSS = r"\mathcal{L}"
_HARD = upright("hard")
__all__ = ["DISTANCES", "EDITS", "ENSEMBLES", "MASKS", "Scene", "blend", "edit", "summands"]


# Ensembles


@dataclass(frozen=True)
class Blend:
    """Several teachers in one formula.

    Attributes:
        weighted: before terms that are weighted by example; ``others``: before other teacher terms.
        extra: a loss of the ensemble's own; ``where``: what its symbols are, a clause with formulas in ``$``.
    """

    weighted: str
    others: str
    extra: str = ""
    where: str = ""


_ALL = r"\sum_{n=1}^{N}"
_MEAN = rf"\frac{{1}}{{N}} {_ALL}"


def _policy(value: Policy) -> Blend:
    where = (
        r"$a_n$ is 1 with the probability $\pi_n$ that the policy gives teacher $n$ on the example, else 0; "
        r"$\pi'$ is its present probability of the actions of the step before, and no gradient goes into the "
        "hard loss beside it"
    )
    extra = rf"{number(value.weight)} \cdot {LOSS}_{{{_HARD}}} \sum \pi'"
    return Blend(rf"\frac{{1}}{{N}} {_ALL} a_n", _MEAN, extra, where)


def _reinforce(value: Reinforce) -> Blend:
    where = (
        r"$a_n$ is 1 with the probability $\pi_n$ that the policy gives teacher $n$ on the example, else 0; "
        r"where no teacher is chosen the sum is 0; $\pi'$ is its present probability of the actions of the "
        "step before, and no gradient goes into the hard loss beside it"
    )
    extra = rf"{number(value.weight)} \cdot {LOSS}_{{{_HARD}}} \sum \log \pi'"
    return Blend(rf"\frac{{1}}{{\sum_n a_n}} {_ALL} a_n", _MEAN, extra, where)


def _survivors(value: SumOfSurvivors) -> Blend:
    where = rf"$z_n$ is drawn anew each step: 1 with probability {number(value.survival)}, else 0"
    return Blend(rf"{_ALL} z_n", _ALL, where=where)


ENSEMBLES: dict[type, Callable[[Any], Blend]] = {
    Mean: lambda value: Blend(_MEAN, _MEAN),
    SumOfSurvivors: _survivors,
    InverseTeacherLoss: lambda value: Blend(
        rf"{_ALL} \frac{{1}}{{1 + {LOSS}_{{{_HARD}}}^{{(n)}}}}",
        _ALL,
        where=rf"${LOSS}_{{{_HARD}}}^{{(n)}}$ is the loss of teacher $n$ itself on the example",
    ),
    Policy: _policy,
    Reinforce: _reinforce,
    RouteByEntropy: lambda value: Blend(
        rf"\frac{{1}}{{N}} {_ALL} r_n",
        _MEAN,
        where="$r_n$ is 1 for the one teacher that the example goes to, else 0",
    ),
    RouteToMeans: lambda value: Blend(
        rf"{_ALL} \frac{{B}}{{B_n}} r_n",
        _MEAN,
        where="$r_n$ is 1 for the one teacher that the example goes to, else 0, and $B_n$ of $B$ examples go "
        "to teacher $n$",
    ),
}


def blend(value: Ensemble) -> Blend:
    """How an ensemble is written."""
    render = renderer_of(value, ENSEMBLES, "ensemble")
    if render is None:
        return Blend(rf"{_ALL} {own_name(value)}", _ALL)
    found: Blend = render(value)
    return found


# Edits


EDITS: dict[type, Callable[[Any], str]] = {
    ReplaceBlocks: lambda value: rf"{upright('replace')}({schedule(value.keep)})",
    ReplaceSomeBlocks: lambda value: rf"{upright('replace')}_{{\ge 1}}({schedule(value.keep)})",
    SwapTokens: lambda value: rf"{upright('swap')}({number(value.share)})",
    SwapResiduals: lambda value: rf"{upright('swap')}_{{{upright('residual')}}}({number(value.share)})",
    StandIns: lambda value: upright("standins"),
}


def edit(value: Edit) -> str:
    """How an edit is written."""
    render = renderer_of(value, EDITS, "edit")
    return own_name(value) if render is None else str(render(value))


# Sums


@dataclass(frozen=True)
class Scene:
    """What a formula depends on besides the objective.

    Attributes:
        several: more than one teacher.
        kept_words: the teachers' words are restricted to those that the student keeps.
    """

    several: bool = False
    kept_words: bool = False


def summands(objective: Objective, scene: Scene = Scene()) -> list[str]:
    """The terms of an objective as formulas, in order, what an ensemble adds last."""
    numbers = dict(_projections(objective))
    several = scene.several or not isinstance(objective.ensemble, Mean)
    teachers = blend(objective.ensemble) if several else Blend("", "")
    found = []
    for place, term in enumerate(objective.terms):
        mine = {position: numbers[place, position] for position in range(len(term.via))}
        found.append(_term(term, objective, scene, teachers, mine))
    return [*found, *([teachers.extra] if teachers.extra else [])]


def _projections(objective: Objective) -> Iterator[tuple[tuple[int, int], int]]:
    """Numbers of the lenses that learn, by term and position; 0 where there is only one."""
    places = [(t, p) for t, term in enumerate(objective.terms) for p in range(len(term.via))]
    names = {(t, p): objective.terms[t].via[p].shared or (t, p) for t, p in places}
    learning = list(dict.fromkeys(names[t, p] for t, p in places if trained(objective.terms[t].via[p])))
    for place in places:
        yield place, learning.index(names[place]) + 1 if names[place] in learning and len(learning) > 1 else 0


def _term(term: Term, objective: Objective, scene: Scene, teachers: Blend, numbers: dict[int, int]) -> str:
    first_pass = objective.edit is not None and not objective.edit.second_pass
    changed = term.edited or first_pass
    if term.by is None:
        loss = rf"\tilde{{{LOSS}}}" if changed else LOSS
        return times(_constants(term.weight), f"{loss}_{{{_HARD}}}")
    layers = Indices("", "", "") if term.layers is None else indices(term.layers)
    theirs_name = "(n)" if teachers.weighted else "t"
    ours = Tap(_site(term, "s", layers.student, changed), layers.student, layers.students, "s")
    theirs = _site(term, theirs_name, layers.teacher, term.edited)
    if scene.kept_words and term.site == "words":
        theirs += f"_{{{KEPT}}}"
    them = Tap(theirs, layers.teacher, layers.teachers, theirs_name)
    mine, other = chain(term, ours, them, numbers)
    how = comparison(term.by)
    value = how.of(_listed(mine), _listed(other), mask_name(term.mask))
    if term.above is not None:
        value = f"{upright('gate')}({value}; {schedule(term.above)})"
    if term.mask != "none" and not how.within_batch:
        value = rf"\langle {value} \rangle_{{{mask_name(term.mask)}}}"
        value += rf"^{{{upright('only')}}}" if term.norm == "valid" else ""
    inner = times([schedule(_bare(term.weight))], value) if by_layer(term.weight) else value
    sums = [teachers.weighted if term.weighted else teachers.others, layers.total]
    return times([*_constants(term.weight), how.factor], " ".join([*filter(None, sums), inner]))


def _site(term: Term, name: str, layer: str, changed: bool) -> str:
    symbol = SITES.get(term.site) or upright("".join(c for c in term.site if c.isalnum()))
    symbol = rf"\tilde{{{symbol}}}" if changed else symbol
    upper = name if len(name) == 1 else f"{{{name}}}"
    lower = layer if len(layer) == 1 else f"{{{layer}}}"
    return f"{symbol}^{upper}" + (f"_{lower}" if layer else "")


def _listed(tap: Tap) -> str:
    """A side as it is; many tensors that no fuse joined as a set."""
    return tap.text if tap.over is None else rf"\lbrace {tap.text} \rbrace{tap.over}"


def _bare(weight: Weight) -> Weight:
    """A weight without its constant factor."""
    return _bare(weight.schedule) if isinstance(weight, Scaled) else weight


def _constants(weight: Weight) -> list[str]:
    """Factors before any sum: the constant, and a schedule that is the same for all layers."""
    factor, rest = 1.0, weight
    while isinstance(rest, Scaled):
        factor, rest = factor * rest.factor, rest.schedule
    if isinstance(rest, int | float):
        factor, shown = factor * rest, []
    else:
        shown = [] if by_layer(rest) else [schedule(rest)]
    return [*([number(factor)] if factor != 1 else []), *shown]
