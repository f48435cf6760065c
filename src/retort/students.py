"""How a method on a pair of models becomes stages.

The plan decides what exists; this module unfolds one row of a table into its chain of stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retort.config.model import pair_models
from retort.errors import InputError
from retort.quirks import rewrite
from retort.stages import Stage, Truncation

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


def last_stage(plan: Plan, method: Method, pair: str, seed: int, tasks: tuple[str, ...]) -> Stage:
    """The stage that holds a method's result for a group of tasks.

    Raises:
        InputError: the pair does not fit the method.
    """
    if not fits(method, pair):
        raise InputError(f"pairs: {pair}: does not fit {method.name}; see the pairs that the paper runs it on")
    *teachers, student = pair_models(pair)
    if method.chain is not None:
        return _assistants(plan, method, pair, seed, tasks)
    stage: Stage | None = None
    for step in _steps(plan, method, teachers, student):
        shown = _teachers(plan, step, teachers, tasks)
        stage = plan.student_stage(method, pair, student, step, stage, shown, seed, tasks)
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
    """Distil each model of the pair from the one (or all) before it."""
    assert method.chain is not None
    largest, *rest = pair_models(pair)
    done = [plan.fine_tuned(largest, tasks)]
    for name, link in zip(rest, method.chain.links, strict=True):
        shown = tuple(reversed(done)) if method.chain.dense else (done[-1],)
        done.append(plan.student_stage(method, pair, name, link, None, shown, seed, tasks))
    return done[-1]


def truncation(plan: Plan, method: Method, objective_teachers: tuple[Stage, ...]) -> Truncation:
    """Start from the first teacher's first layers."""
    fused = plan.config.quirks.get("fused-truncation", "as_run") == "as_run"
    return Truncation(objective_teachers[0], fused)


__all__ = ["fits", "last_stage", "rewrite", "truncation"]
