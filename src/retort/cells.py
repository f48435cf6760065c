"""The entries of all tables: which method on which pair of models with which seed.

The plan decides how an entry becomes stages; this module lists which entries a configuration asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from retort.config.messages import nearest
from retort.config.model import pair_models, teachers_of
from retort.errors import InputError
from retort.quirks import quirk_of, rewrite, switches_of
from retort.recipes.glmd import METHODS
from retort.recipes.glmd_variants import VARIANTS
from retort.schooling import TEACHER_ROW
from retort.students import columns, last_stage, printed_pairs
from retort.texts import paper_section, text_papers
from retort.tracks import TEACHER_SEED, TrackPlan

if TYPE_CHECKING:
    from retort.plan import Plan
    from retort.recipes import Method
    from retort.stages import Stage

GLMD = "glmd"


@dataclass(frozen=True)
class Least:
    """Least scores (0-100) of a teacher.

    Attributes:
        before: by task, before it is trained on the tasks; ``after``: by task, after that.
        average: over all tasks after that; ``None``: any.
    """

    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    average: float | None = None


@dataclass(frozen=True)
class Cell:
    """One entry of a table: a method on a pair with a seed, trained on all tasks.

    Attributes:
        paper: whose table.
        role: ``teacher``, ``student``, ``variant`` (a student of an ablation table) or ``quirk`` (a student
            with a quirk switched).
        method: as the paper names it; ``pair``: e.g. ``T1-S1`` (a teacher: ``T1``).
        seed: training seed.
        stages: the stages that hold its results, one for each group of tasks.
        least: what a teacher has to score before anyone learns from it.
    """

    paper: str
    role: str
    method: str
    pair: str
    seed: int
    stages: tuple[Stage, ...]
    least: Least = Least()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All of its tasks."""
        return tuple(task for stage in self.stages for task in stage.tasks)


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Teachers, every method on every pair with every seed, ablations, switched quirks; paper by paper.

    Raises:
        InputError: a pair that no method whatever runs on, no pair for the chosen methods, a row of the table
            of hyper-parameters that cannot be used, a quirk to try that cannot be switched, or a track that
            does not hold.
    """
    for name in plan.config.variants.quirks:
        switches_of(name)
    found = list(_glmd(plan)) if plan.config.reads_own else []
    for paper in text_papers(plan.config):
        for name in paper_section(plan.config, paper).tracks:
            found += _track(TrackPlan(plan, paper, name))
    return tuple(found)


def _glmd(plan: Plan) -> Iterator[Cell]:
    used = list(dict.fromkeys(pair for method in plan.methods for pair in plan.columns(method)))
    _check_pairs(plan, used)
    _check_rates(plan)
    yield from (*_teachers(plan, used), *_students(plan), *_variants(plan), *_switched(plan))


def _track(track: TrackPlan) -> Iterator[Cell]:
    for symbol in track.track.teachers:
        stages = (track.fine_tuned(symbol),)
        least = Least(after=track.track.gates)
        yield Cell(track.paper, "teacher", track.label, symbol, TEACHER_SEED, stages, least)
    for row, pair, seed, stage in track.rows():
        yield Cell(track.paper, row.role, row.method.name, pair, seed, (stage,))


def _check_pairs(plan: Plan, used: list[str]) -> None:
    for pair in plan.config.pairs:
        if not any(columns(method, [pair]) for method in (*METHODS, *plan.own)):
            raise InputError(
                f"pairs: {pair}: no method runs on these models; most need one teacher and one student, "
                "e.g. T1-S1"
            )
    if not used:
        raise InputError(
            f"pairs: none of the methods runs on {', '.join(plan.config.pairs)}; most need one teacher "
            "and one student, e.g. T1-S1"
        )


def _check_rates(plan: Plan) -> None:
    """A misspelt row of the table of hyper-parameters would change nothing, silently."""
    rows = [TEACHER_ROW, *(method.name for method in (*METHODS, *plan.own))]
    symbols = [*plan.config.models, *(symbol for pair in printed_pairs() for symbol in pair_models(pair))]
    for method, pair, task in plan.schooling.rates:
        place = f"{plan.config.task_training.hyper_parameters}: line of {method}, {pair}, {task}"
        if method not in rows:
            raise InputError(f"{place}: method: no such method; {nearest(method, rows)}")
        named = (pair,) if method == TEACHER_ROW else pair_models(pair)
        if not named or any(name not in symbols for name in named):
            raise InputError(f"{place}: config: {pair!r} is no pair of models (see models); e.g. T1-S1")


def _teachers(plan: Plan, pairs: list[str]) -> Iterator[Cell]:
    for name in dict.fromkeys(name for pair in pairs for name in teachers_of(pair)):
        stages = tuple(plan.fine_tuned(name, group) for group in plan.groups)
        gates = plan.config.gates
        before = {str(task): score for task, score in gates.zero_shot.items()}
        least = Least(before, {}, gates.fine_tuned_average)
        yield Cell(GLMD, "teacher", "GLM", name, TEACHER_SEED, stages, least)


def _students(plan: Plan) -> Iterator[Cell]:
    for method in plan.methods:
        for pair in plan.columns(method):
            for seed in plan.config.seeds:
                yield Cell(GLMD, "student", method.name, pair, seed, _results(plan, method, pair, seed))


def _variants(plan: Plan) -> Iterator[Cell]:
    """Rows of the configured ablation tables, on the first pair of the method they vary, as in the paper.

    What varies a method that is not configured is left out; the method's quirks are applied.
    """
    chosen = plan.config.variants
    for variant in VARIANTS:
        if variant.table in chosen.tables and variant.of in plan.config.methods:
            method = rewrite(variant.method, plan.config.quirks, variant.of)
            for pair in columns(method, plan.config.pairs)[:1]:
                for seed in chosen.seeds:
                    yield Cell(GLMD, "variant", method.name, pair, seed, _results(plan, method, pair, seed))


def _switched(plan: Plan) -> Iterator[Cell]:
    """Methods with one more quirk switched, on the first of their pairs, where that changes a stage."""
    for method, like in _flipped(plan):
        for pair in columns(like, plan.config.pairs)[:1]:
            for seed in plan.config.variants.seeds:
                stages = _results(plan, method, pair, seed)
                if stages != _results(plan, like, pair, seed):
                    yield Cell(GLMD, "quirk", method.name, pair, seed, stages)


def _flipped(plan: Plan) -> Iterator[tuple[Method, Method]]:
    """Each changed method with the one that it was made from."""
    for name in plan.config.variants.quirks:
        quirk = quirk_of(name)
        for switch, change in switches_of(name).items():
            for method in plan.methods:
                changed = change(method) if quirk.concerns(method.name) else method
                if changed != method:
                    label = f"{method.name} [{name}: {switch}]"
                    yield replace(changed, name=label, tuned_as=method.name), method


def _results(plan: Plan, method: Method, pair: str, seed: int) -> tuple[Stage, ...]:
    """The last stages of a method, one for each group of tasks."""
    return tuple(last_stage(plan, method, pair, seed, group) for group in plan.groups)
