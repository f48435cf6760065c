"""Tracks: how the methods of a paper on transformers models become stages, family by family.

What :mod:`retort.students` and :mod:`retort.schooling` are for GLMD: one row of a table unfolded into its
chain of stages, configured values as frozen ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from retort.config.messages import nearest
from retort.config.sections import Optimiser as OptimiserSection
from retort.config.sections import PretrainingRun
from retort.config.texts import TextPaper, TextTask, Track
from retort.distill.objective import Objective, hard
from retort.errors import InputError
from retort.evaluation.decoding import Decoding
from retort.models.hf.architecture import Slices, TextArchitecture
from retort.quirks import quirk_of, rewrite, switches_of
from retort.recipes import Method, Step, finetune, pretrain
from retort.recipes.cka import METHODS as RELEASED
from retort.recipes.cka_one_recipe import METHODS as ONE_RECIPE
from retort.recipes.cka_one_recipe import SUFFIX
from retort.recipes.cka_settings import released_for
from retort.stages import (
    ClassRun,
    LensOptimiser,
    Muon,
    Optimiser,
    PairRun,
    Pretraining,
    Stage,
    TaskRun,
    TextCorpus,
    Truncation,
)
from retort.texts import paper_section, text_part

if TYPE_CHECKING:
    from retort.plan import Plan

TEACHER_SEED = 1234
"""Teachers are single runs, as in the paper."""

BY_LABELS = finetune(hard())
ON_WORDS = pretrain(hard())
"""How teachers learn."""

_LABELS = {"bert": "BERT", "bart": "BART", "mbart": "mBART", "mbart50": "mBART", "t5": "T5"}
_KINDS: dict[str, Literal["bert", "bart", "mbart", "t5"]] = {
    "bert": "bert",
    "bart": "bart",
    "mbart": "mbart",
    "mbart50": "mbart",
    "t5": "t5",
}


def text_architecture(symbol: str, track: Track) -> TextArchitecture:
    """A configured model as an architecture."""
    values = track.models[symbol].model_dump()
    values.pop("devices")
    return TextArchitecture(name=symbol, kind=_KINDS[track.family], **values)


def architectures(paper: TextPaper) -> dict[str, dict[str, TextArchitecture]]:
    """The models of each track by symbol."""
    return {
        name: {symbol: text_architecture(symbol, track) for symbol in track.models}
        for name, track in paper.tracks.items()
    }


def _students(track: Track) -> tuple[str, ...]:
    used = [symbol for table in (track.methods, track.one_recipe) for row in table.values() for symbol in row]
    return tuple(dict.fromkeys(used))


class TrackPlan:
    """The stages of one track.

    Args:
        plan: of the whole configuration.
        paper: whose track; ``name``: of the track.

    Raises:
        InputError: a method that no recipe has or that is for other families, or a model that is not there.
    """

    def __init__(self, plan: Plan, paper: str, name: str) -> None:
        self.plan = plan
        self.paper = paper
        self.name = name
        self.section = paper_section(plan.config, paper)
        self.track = self.section.tracks[name]
        self.label = _LABELS[self.track.family]
        self._stages: dict[tuple[object, ...], Stage] = {}
        _check(self)

    @property
    def place(self) -> str:
        """Of the track in the configuration."""
        return f"{self.paper}.tracks.{self.name}"

    @cached_property
    def methods(self) -> dict[str, tuple[Method, tuple[str, ...]]]:
        """Methods as released, quirks applied, and the students that each trains."""
        known = {method.name: method for method in RELEASED}
        found = {}
        for name, students in self.track.methods.items():
            if name not in known:
                raise InputError(
                    f"{self.place}.methods: no recipe for {name!r}; {nearest(name, list(known))}"
                )
            found[name] = (rewrite(known[name], self.plan.config.quirks), students)
        return found

    @cached_property
    def one_recipe(self) -> dict[str, tuple[Method, tuple[str, ...]]]:
        """Methods under one recipe, and their students."""
        known = {method.name: method for method in ONE_RECIPE}
        named = {f"{self.label} {kind}{SUFFIX}": row for kind, row in self.track.one_recipe.items()}
        return {name: (known[name], students) for name, students in named.items()}

    def rows(self) -> Iterator[tuple[str, Method, str, str, int, Stage]]:
        """Every row but teachers: role, method, teacher, student, seed, and the stage of its results."""
        for role, table in (("student", self.methods), ("variant", self.one_recipe)):
            for method, students in table.values():
                yield from self._row(role, method, method.name, students)
        for method, like, students in self._switched():
            yield from self._row("quirk", method, like, students[:1])

    def _row(
        self, role: str, method: Method, settings: str, students: tuple[str, ...]
    ) -> Iterator[tuple[str, Method, str, str, int, Stage]]:
        for teacher in self.track.teachers:
            for student in students:
                for seed in self.section.seeds:
                    stage = self.student(method, settings, teacher, student, seed)
                    yield role, method, teacher, student, seed, stage

    def _switched(self) -> Iterator[tuple[Method, str, tuple[str, ...]]]:
        """Methods with one more quirk switched, where that changes them."""
        for name in self.plan.config.variants.quirks:
            quirk = quirk_of(name)
            for switch, change in switches_of(name).items():
                for method, students in self.methods.values():
                    changed = change(method) if quirk.concerns(method.name) else method
                    if changed != method:
                        label = f"{method.name} [{name}: {switch}]"
                        yield replace(changed, name=label), method.name, students

    def pretrained(self, symbol: str) -> Stage | None:
        """A teacher after pretraining, or as it is imported; ``None``: it starts with the tasks."""
        imported = self.track.import_teacher.get(symbol)
        settings = self.track.pretraining.teacher
        if imported is None and settings is None:
            return None
        return Stage(
            phase="pretraining",
            architecture=text_architecture(symbol, self.track),
            objective=ON_WORDS.objective,
            schooling=None if imported else self._pretraining(settings, self.track.pretraining.noise),
            data=self._words,
            seed=TEACHER_SEED,
            imported=imported,
            precision=self.plan.config.precision,
        )

    def fine_tuned(self, symbol: str) -> Stage:
        """A teacher on the tasks."""
        return Stage(
            phase="task",
            architecture=text_architecture(symbol, self.track),
            objective=BY_LABELS.objective,
            schooling=tuple(self._run(task, None, "teacher") for task in self.track.tasks),
            data=self._words,
            seed=TEACHER_SEED,
            init=self.pretrained(symbol),
            precision=self.plan.config.precision,
        )

    def student(self, method: Method, settings: str, teacher: str, student: str, seed: int) -> Stage:
        """The stage that holds a method's result.

        Args:
            method: as it runs.
            settings: whose released rate and decay it takes.
            teacher, student: symbols.
            seed: of training.
        """
        stage: Stage | None = None
        for step in method.steps:
            stage = self._step(method, settings, step, stage, teacher, student, seed)
        assert stage is not None
        return stage

    def _step(
        self,
        method: Method,
        settings: str,
        step: Step,
        before: Stage | None,
        teacher: str,
        student: str,
        seed: int,
    ) -> Stage:
        shown = (
            self.fine_tuned(teacher) if step.phase == "task" else self._pretrained_teacher(method, teacher)
        )
        cut = method.cut if method.start == "truncate" and before is None else None
        assert cut is None or isinstance(cut, Slices)
        _check_widths(self, step.objective, method, teacher, student)
        return Stage(
            phase=step.phase,
            architecture=text_architecture(student, self.track),
            objective=step.objective,
            schooling=tuple(self._run(task, settings, "student") for task in self.track.tasks)
            if step.phase == "task"
            else self._pretraining(self._student_pretraining(method), "none", settings),
            data=self._words,
            seed=seed,
            init=before,
            truncated=None if cut is None else Truncation(shown, cut),
            teachers=(shown,) if step.objective.needs_teacher else (),
            precision=self.plan.config.precision,
        )

    @property
    def _words(self) -> str:
        return self.plan.text[text_part(self.paper, self.name)]

    def _pretrained_teacher(self, method: Method, symbol: str) -> Stage:
        found = self.pretrained(symbol)
        if found is None:
            raise InputError(
                f"{self.place}.pretraining.teacher: is null, but {method.name} learns from {symbol} on the "
                "corpus; give it a run, import_teacher a folder, or leave the method out"
            )
        return found

    def _student_pretraining(self, method: Method) -> PretrainingRun:
        settings = self.track.pretraining.student
        if settings is None:
            raise InputError(
                f"{self.place}.pretraining.student: is null, but {method.name} learns on the corpus; "
                "give it a run, or leave the method out"
            )
        return settings

    def _pretraining(
        self,
        settings: PretrainingRun | None,
        noise: Literal["words", "infilling", "none"],
        method: str | None = None,
    ) -> Pretraining:
        assert settings is not None
        corpus = TextCorpus(self.track.family, self.track.pretraining.length, noise)
        optimiser = optimiser_of(settings.optimiser, settings.optimiser.learning_rate)
        if method is not None:
            optimiser = self._released(optimiser, method, "pretraining", None)
        micro = math.gcd(settings.batch_size, settings.micro_batch_size)
        return Pretraining(optimiser, corpus, settings.steps, settings.batch_size, micro)

    def _run(self, task: str, method: str | None, role: Literal["teacher", "student"]) -> TaskRun:
        training, settings = self.track.task_training, self.track.tasks[task]
        optimiser = optimiser_of(training.optimiser, getattr(training.learning_rate, role))
        if method is not None:
            optimiser = self._released(optimiser, method, "task", task)
        common = {
            "task": task,
            "text": self.plan.text[text_part(self.paper, self.name, task)],
            "optimiser": optimiser,
            "epochs": getattr(training.epochs, role),
            "batch_size": training.batch_size,
            "micro_batch_size": training.micro_batch_size,
            "padding": training.padding,
            "evaluations": training.evaluations,
            "family": self.track.family,
            "source": settings.source,
        }
        if settings.target is None:
            return ClassRun(**common)
        return PairRun(**common, target=settings.target, decoding=decoding_of(settings))

    def _released(
        self, optimiser: Optimiser, method: str, stage: Literal["pretraining", "task"], task: str | None
    ) -> Optimiser:
        """Rate and decay of a method's script: the rate in proportion to that of the track's first method.

        Methods that no script trains there, and those under one recipe, take the track's own.
        """
        first = next(iter(self.track.methods))
        ours, reference = released_for(method, stage, task), released_for(first, stage, task)
        if ours is None or reference is None:
            return optimiser
        scale = optimiser.learning_rate / (reference.learning_rate or _UNSTATED)
        rate = scale * (ours.learning_rate or _UNSTATED)
        lenses = None
        if ours.projection_rate is not None:
            lenses = LensOptimiser(scale * ours.projection_rate, ours.projection_decay or 0.0)
        return replace(
            optimiser,
            learning_rate=float(f"{rate:.6g}"),
            weight_decay=ours.weight_decay,
            schedule=ours.schedule,
            lenses=lenses,
        )


_UNSTATED = 3e-5
"""Rate of scripts that take it as an argument: that of most others."""


def optimiser_of(section: OptimiserSection, rate: float) -> Optimiser:
    """A configured optimiser as a frozen value."""
    values = section.model_dump() | {"learning_rate": rate}
    muon = values.pop("muon", None)
    values["betas"] = tuple(values["betas"])
    return Optimiser(**values, muon=None if muon is None else Muon(**muon))


def decoding_of(task: TextTask) -> Decoding:
    """How a task's texts are generated."""
    assert task.decoding is not None
    return Decoding(**task.decoding.model_dump())


def _check(tracks: TrackPlan) -> None:
    """What the section alone cannot see."""
    track, place = tracks.track, tracks.place
    for symbol in (*track.teachers, *_students(track), *track.import_teacher):
        if symbol not in track.models:
            raise InputError(f"{place}: no model {symbol!r}; {nearest(symbol, list(track.models))}")
    for name, task in track.tasks.items():
        if (task.target is None) != (task.decoding is None):
            raise InputError(f"{place}.tasks.{name}: target and decoding go together; give both or none")
    for method, _ in (*tracks.methods.values(), *tracks.one_recipe.values()):
        if method.family != _KINDS[track.family]:
            raise InputError(
                f"{place}.methods: {method.name} is for {method.family} models, this track has {track.family}"
            )


def _check_widths(
    tracks: TrackPlan, objective: Objective, method: Method, teacher: str, student: str
) -> None:
    from retort.distill.distances import CosineEmbedding

    models = tracks.track.models
    if any(isinstance(term.by, CosineEmbedding) for term in objective.terms):
        widths = [models[symbol].width for symbol in (teacher, student)]
        if widths[0] != widths[1]:
            raise InputError(
                f"{tracks.place}.methods.{method.name}: compares states of equal width, but {teacher} has "
                f"{widths[0]} and {student} {widths[1]}; name a student as wide as its teacher"
            )
