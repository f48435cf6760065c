"""How a method on a pair of models becomes stages.

The plan decides what exists; this module unfolds one row of a table into its chain of stages.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from retort.config.loading import REPOSITORY
from retort.config.model import Model, pair_models
from retort.errors import InputError
from retort.models.glm_architecture import Architecture
from retort.stages import Stage

if TYPE_CHECKING:
    from retort.plan import Plan
    from retort.recipes import Method, Step


def fits(method: Method, pair: str) -> bool:
    """Whether a pair has the models that a method needs: one teacher, several, or assistants."""
    models = len(pair_models(pair))
    if pair.startswith("("):
        return method.several
    if models > 2:
        return method.chain is not None and len(method.chain.links) == models - 1
    return method.chain is None and not method.several


def columns(method: Method, pairs: Sequence[str]) -> list[str]:
    """The configured pairs that a method runs on.

    On the columns of the paper's Table 3 its methods run where it prints them (some need equal widths,
    some their own architecture); on other pairs, and otherwise, every method runs that fits.
    """
    printed = _printed()
    left_out = printed_pairs() - printed[method.name] if method.name in printed else set()
    return [pair for pair in pairs if fits(method, pair) and pair not in left_out]


def printed_pairs() -> frozenset[str]:
    """The columns of the paper's Table 3."""
    return frozenset().union(*_printed().values())


@functools.cache
def _printed() -> dict[str, frozenset[str]]:
    """The pairs of each method in the paper's Table 3."""
    found: dict[str, set[str]] = {}
    table = REPOSITORY / "resources" / "paper" / "glmd" / "table3.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["method"], set()).add(row["config"])
    return {method: frozenset(pairs) for method, pairs in found.items()}


def last_stage(plan: Plan, method: Method, pair: str, seed: int, tasks: tuple[str, ...]) -> Stage:
    """The stage that holds a method's result for a group of tasks."""
    if method.chain is not None:
        return _assistants(plan, method, pair, seed, tasks)
    *teachers, student = pair_models(pair)
    stage: Stage | None = None
    for number, step in enumerate(_steps(plan, method, teachers, student)):
        # Groups of tasks share pretraining, as one value: its digest is then taken once.
        key = (method.name, pair, seed, number)
        if step.phase == "pretraining" and key in plan.pretraining:
            stage = plan.pretraining[key]
            continue
        shown = _teachers(plan, step, teachers, tasks)
        stage = plan.student_stage(method, pair, student, step, stage, shown, seed, tasks)
        if step.phase == "pretraining":
            plan.pretraining[key] = stage
    assert stage is not None
    return stage


def _steps(plan: Plan, method: Method, teachers: list[str], student: str) -> tuple[Step, ...]:
    widths = {plan.architecture(name).width for name in (*teachers, student)}
    return method.unequal if method.unequal and len(widths) > 1 else method.steps


def _teachers(plan: Plan, step: Step, teachers: list[str], tasks: tuple[str, ...]) -> tuple[Stage, ...]:
    """The teachers of a step: fine-tuned ones on tasks, pretrained ones before."""
    if step.phase == "pretraining":
        return tuple(plan.pretrained(name) for name in teachers)
    tuned = tuple(plan.fine_tuned(name, tasks) for name in teachers)
    return (plan.pretrained(teachers[0]), *tuned) if step.encoder else tuned


def _assistants(plan: Plan, method: Method, pair: str, seed: int, tasks: tuple[str, ...]) -> Stage:
    """Distil each model of the pair from the one before it, or from all before it, nearest first."""
    assert method.chain is not None
    largest, *rest = pair_models(pair)
    done = [plan.fine_tuned(largest, tasks)]
    for name, link in zip(rest, method.chain.links, strict=True):
        stage: Stage | None = None
        for step in method.steps:
            stage = plan.student_stage(method, pair, name, step, stage, (), seed, tasks)
        shown = tuple(reversed(done)) if method.chain.dense else (done[-1],)
        done.append(plan.student_stage(method, pair, name, link, stage, shown, seed, tasks))
    return done[-1]


def architecture(name: str, model: Model) -> Architecture:
    """A configured model as an architecture."""
    inner = model.bottleneck
    return Architecture(
        name=name,
        layers=model.layers,
        width=model.width,
        heads=model.heads,
        positions=model.positions,
        dropout=model.dropout,
        init_std=model.init_std,
        factorised=model.factorised,
        trigram=model.trigram,
        bottleneck=None if inner is None else (inner.width, inner.feed_forwards),
    )


def student_architecture(plan: Plan, method: Method, pair: str, name: str) -> Architecture:
    """A method's student, with the teacher's heads where attention is compared head by head, as in the paper.

    Raises:
        InputError: the teacher's heads do not divide the student's width.
    """
    teacher = pair_models(pair)[0]
    base, heads = plan.architecture(name), plan.architecture(teacher).heads
    sites = {term.site for step in (*method.steps, *method.unequal) for term in step.objective.terms}
    if sites & {"scores", "probs"} and base.heads != heads:
        width = base.bottleneck[0] if base.bottleneck else base.width
        if width % heads:
            raise InputError(
                f"pairs: {pair}: {method.name} compares attention head by head, but {teacher}'s {heads} "
                f"heads do not divide {name}'s width {width}; change models.{name} or omit the method"
            )
        base = replace(base, heads=heads)
    if method.embedding == "factorised":
        return replace(base, factorised=base.width // 2)
    return replace(base, trigram=base.width // 2) if method.embedding == "trigram" else base
