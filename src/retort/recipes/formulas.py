"""Schedules, layers and lenses as formulas: the TeX of what a term is made of.

Arithmetic is in :mod:`retort.distill`; this is typography alone. Tables from class to renderer stand at the
end of each group, so that every renderer is referred to by name. The symbols are explained in
:mod:`retort.recipes.notation`. No formula holds a character that Markdown or a table would take for itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from retort.distill.layermaps import AllToAll, BlockEnds, Joint, Last, RandomGroup, RandomSubset, Uniform
from retort.distill.lenses import (
    Attend,
    Concat,
    FirstToken,
    Gram,
    Lens,
    Log,
    MeanTokens,
    Project,
    SharedProject,
    Stack,
    Times,
    Unit,
)
from retort.distill.objective import Term
from retort.distill.schedules import (
    AfterCurriculum,
    Complement,
    Curriculum,
    Linear,
    MeanOverPairs,
    RampThenOne,
    Scaled,
    Schedule,
    Steps,
    Weight,
)


def renderer_of(value: object, table: Mapping[type, Any], kind: str) -> Any:
    """The renderer of a primitive's class, or of the nearest class that it extends.

    Returns:
        ``None`` for a primitive from elsewhere that has none: it shows its name and fields.

    Raises:
        TypeError: one of this package's own primitives has none.
    """
    for base in type(value).__mro__:
        if base in table:
            return table[base]
    if type(value).__module__.startswith("retort."):
        raise TypeError(f"{kind} {type(value).__name__} has no renderer; add one to {__name__}")
    return None


def own_name(value: object) -> str:
    """A primitive from elsewhere: its class and its fields, upright."""
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    shown = "; ".join(_plain(getattr(value, field.name)) for field in fields)
    return upright(type(value).__name__) + (f"({shown})" if shown else "")


def _plain(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return upright("".join(c if c.isalnum() else " " for c in str(value)).strip() or "none")


def upright(text: str) -> str:
    """A name in a formula."""
    return rf"\mathrm{{{text}}}"


def number(value: float) -> str:
    """Up to four digits, no trailing zeros."""
    return f"{value:.4g}"


def _sub(index: str) -> str:
    return f"_{index}" if len(index) == 1 else f"_{{{index}}}"


# Schedules


def schedule(value: Weight) -> str:
    """A number, or a function of the clock."""
    if not isinstance(value, Schedule):
        return number(value)
    render = renderer_of(value, SCHEDULES, "schedule")
    return own_name(value) if render is None else render(value)


def _scaled(value: Scaled) -> str:
    inner = schedule(value.schedule)
    return inner if value.factor == 1 else rf"{number(value.factor)} \cdot {inner}"


def _linear(value: Linear) -> str:
    return rf"{upright('linear')}({number(value.start)} \to {number(value.end)}; {number(value.until)})"


def _ramp(value: RampThenOne) -> str:
    return f"{upright('ramp')}({number(value.slope)}; {number(value.cut)})"


def _curriculum(value: Curriculum) -> str:
    return rf"\kappa_i({number(value.until)}; {number(value.past)}; {number(value.after)})"


SCHEDULES: dict[type, Callable[[Any], str]] = {
    Linear: _linear,
    Steps: lambda value: upright("steps") + _sub(number(value.number)),
    RampThenOne: _ramp,
    Complement: lambda value: f"(1 - {schedule(value.schedule)})",
    Scaled: _scaled,
    Curriculum: _curriculum,
    AfterCurriculum: lambda value: rf"\tau({number(value.curriculum.until)})",
    MeanOverPairs: lambda value: r"\frac{1}{M}",
}


def by_layer(value: Weight) -> bool:
    """Whether a weight differs from layer to layer, so that it stands inside the sum over layers."""
    if isinstance(value, Scaled | Complement):
        return by_layer(value.schedule)
    return isinstance(value, Curriculum)


# Layers


@dataclass(frozen=True)
class Indices:
    """How a layer map numbers its layers: a sum over pairs; inside a pair one layer or a range."""

    total: str = ""
    student: str = "i"
    teacher: str = "j"
    students: str | None = None
    teachers: str | None = None


def _bounds(value: Uniform) -> tuple[str, str]:
    last = "L" if value.last else "L-1"
    first = max(value.start, 0 if value.embedding else 1)
    return str(first), last if value.stop is None else rf"\min({value.stop - 1}, {last})"


def _uniform(value: Uniform) -> Indices:
    first, last = _bounds(value)
    return Indices(rf"\sum_{{i={first}}}^{{{last}}}", "i", "m(i)")


def _all_to_all(value: AllToAll) -> Indices:
    student, teacher = ("L", "L'") if value.last else ("L-1", "L'-1")
    return Indices(rf"\sum_{{i=1}}^{{{student}}}", "i", "j", None, rf"_{{j=1}}^{{{teacher}}}")


def _joint(value: Joint) -> Indices:
    first, last = _bounds(value.of)
    every = rf"_{{i={first}}}^{{{last}}}"
    return Indices("", "i", "m(i)", every, every)


LAYERS: dict[type, Callable[[Any], Indices]] = {
    Uniform: _uniform,
    BlockEnds: lambda value: Indices(rf"\sum_{{i={int(not value.embedding)}}}^{{L}}", "i", "b(i)"),
    Last: lambda value: Indices("", "L", "L'"),
    AllToAll: _all_to_all,
    Joint: _joint,
    RandomSubset: lambda value: Indices("", "i", "r(i)", "_{i=1}^{L-1}", "_{i=1}^{L-1}"),
    RandomGroup: lambda value: Indices("", r"\rho", "j", None, r"_{j \in g(\rho)}"),
}


def indices(value: object) -> Indices:
    """The numbering of a layer map; one from elsewhere sums over its pairs by its own name."""
    render = renderer_of(value, LAYERS, "layer map")
    if render is None:
        return Indices(rf"\sum_{{(i, j) \in {own_name(value)}}}")
    found: Indices = render(value)
    return found


# Lenses and fuses


@dataclass(frozen=True)
class Tap:
    """One side of a comparison: a tensor, or one for each layer of a range.

    Attributes:
        text: its formula.
        layer: the index of its layer.
        over: the range of that index where there are many tensors, as sub- and superscript.
        name: ``s``, ``t`` or, among several teachers, ``(n)``.
    """

    text: str
    layer: str
    over: str | None
    name: str


@dataclass(frozen=True)
class Place:
    """Where a step of a chain stands: which projection of its objective it is (0: the only one)."""

    projection: int = 0


Pair = tuple[Tap, Tap]


def _of(tap: Tap, name: str) -> Tap:
    return replace(tap, text=f"{name}({tap.text})")


def _sides(value: Lens, ours: Tap, theirs: Tap, change: Callable[[Tap], Tap]) -> Pair:
    return (
        change(ours) if value.side != "teacher" else ours,
        change(theirs) if value.side != "student" else theirs,
    )


def _each(name: str) -> Callable[[Any, Tap, Tap, Place], Pair]:
    return lambda value, ours, theirs, place: _sides(value, ours, theirs, lambda tap: _of(tap, name))


def _project(value: Project, ours: Tap, theirs: Tap, place: Place) -> Pair:
    def change(tap: Tap) -> Tap:
        whose = "s" if tap.name == "s" else "t"
        several = next((side.name for side in (ours, theirs) if side.name.startswith("(")), "")
        upper = (whose if value.side == "both" else "") + several
        lower = ",".join([*([str(place.projection)] if place.projection else []),
                          *([tap.layer] if value.per_layer else [])])  # fmt: skip
        name = r"\Pi" if value.bias else "W"
        name += (f"^{{{upper}}}" if len(upper) > 1 else f"^{upper}") if upper else ""
        return _of(tap, name + (_sub(lower) if lower else ""))

    return _sides(value, ours, theirs, change)


def _times(value: Times, ours: Tap, theirs: Tap, place: Place) -> Pair:
    factor = schedule(value.schedule)
    return _sides(value, ours, theirs, lambda tap: replace(tap, text=rf"{factor} \cdot {tap.text}"))


def _gram(value: Gram, ours: Tap, theirs: Tap, place: Place) -> Pair:
    name = upright("gram") + ("" if value.size is None else _sub(str(value.size)))
    return _of(ours, name), _of(theirs, name)


def _joined(name: str) -> Callable[[Any, Tap, Tap, Place], Pair]:
    def join(tap: Tap) -> Tap:
        return replace(tap, text=f"{upright(name)}{tap.over or ''}({tap.text})", over=None)

    return lambda value, ours, theirs, place: (join(ours), join(theirs))


def _attend(value: Attend, ours: Tap, theirs: Tap, place: Place) -> Pair:
    weight = rf"\alpha_{{{ours.layer}{theirs.layer}}}"
    return ours, replace(theirs, text=rf"\sum{theirs.over or ''} {weight} {theirs.text}", over=None)


STEPS: dict[type, Callable[[Any, Tap, Tap, Place], Pair]] = {
    Project: _project,
    SharedProject: _project,
    FirstToken: _each(upright("first")),
    MeanTokens: _each(upright("mean")),
    Unit: _each(upright("unit")),
    Log: _each(r"\log"),
    Times: _times,
    Gram: _gram,
    Concat: _joined("concat"),
    Stack: _joined("stack"),
    Attend: _attend,
}


def chain(term: Term, ours: Tap, theirs: Tap, projections: Mapping[int, int]) -> Pair:
    """Both sides of a term after its lenses; ``projections`` numbers those that learn, by position."""
    for position, step in enumerate(term.via):
        render = renderer_of(step, STEPS, "lens")
        place = Place(projections.get(position, 0))
        if render is not None:
            ours, theirs = render(step, ours, theirs, place)
        else:
            name = own_name(step)
            ours, theirs = _of(ours, name), _of(theirs, name)
    return ours, theirs
