"""Tracks: how the methods of a paper on transformers models become stages, family by family.

What :mod:`retort.students` and :mod:`retort.schooling` are for GLMD: one row of a table unfolded into its
chain of stages, configured values as frozen ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from retort.config.messages import nearest
from retort.config.sections import Optimiser as OptimiserSection
from retort.config.sections import PretrainingRun
from retort.config.texts import TextPaper, TextTask, Track
from retort.distill.objective import Objective, hard
from retort.errors import InputError
from retort.evaluation.decoding import Decoding, Sampling
from retort.models.hf.architecture import Kind, Slices, TextArchitecture
from retort.papers import paper_of
from retort.quirks import quirk_of, rewrite, switches_of
from retort.recipes import DATA, Method, Sequences, Step, finetune, pretrain
from retort.recipes.registry import RECIPES
from retort.stages import (
    ClassRun,
    LensOptimiser,
    Muon,
    Optimiser,
    PairRun,
    Pretraining,
    PromptRun,
    Stage,
    TaskRun,
    TextCorpus,
    Truncation,
)
from retort.texts import INSTRUCTIONS, paper_section, tasks_of, text_part

if TYPE_CHECKING:
    from retort.data.text_samples import Noise
    from retort.plan import Plan

TEACHER_SEED = 1234
"""Teachers are single runs, as in the paper."""

BY_LABELS = finetune(hard())
ON_WORDS = pretrain(hard())
"""How teachers learn."""

_CAUSAL = "causal"
_CAUSAL_KINDS = ("opt", "gpt_neox", "llama")
"""Kinds of models that recipes for causal models are for."""

_FAMILIES: dict[str, tuple[Kind, str]] = {
    "bert": ("bert", "BERT"),
    "bart": ("bart", "BART"),
    "mbart": ("mbart", "mBART"),
    "mbart50": ("mbart", "mBART"),
    "t5": ("t5", "T5"),
    "opt": ("opt", "OPT"),
    "gpt_neox": ("gpt_neox", "Pythia"),
    "llama": ("llama", "LLaMA"),
}
"""Kind of models and what tables call them, by family."""


def text_architecture(symbol: str, track: Track) -> TextArchitecture:
    """A configured model as an architecture."""
    values = track.models[symbol].model_dump()
    values.pop("devices")
    return TextArchitecture(name=symbol, kind=_FAMILIES[track.family][0], **values)


def architectures(paper: TextPaper) -> dict[str, dict[str, TextArchitecture]]:
    """The models of each track by symbol."""
    return {
        name: {symbol: text_architecture(symbol, track) for symbol in track.models}
        for name, track in paper.tracks.items()
    }


@dataclass(frozen=True)
class Row:
    """A row of a table before seeds.

    Attributes:
        role: see :class:`retort.cells.Cell`.
        method: as it runs; ``like``: the recipe whose released rate and decay it takes.
        pairs: teachers and students, by symbol.
    """

    role: str
    method: Method
    like: str
    pairs: tuple[tuple[str, str], ...]


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
        self.label = _FAMILIES[self.track.family][1]
        self.recipes = RECIPES[paper]
        self._teachers: dict[tuple[str, str], Stage | None] = {}
        _check(self)

    @property
    def place(self) -> str:
        """Of the track in the configuration."""
        return f"{self.paper}.tracks.{self.name}"

    @cached_property
    def methods(self) -> list[Row]:
        """Methods as released, quirks applied."""
        known = {method.name: method for method in self.recipes.methods}
        return [
            Row("student", rewrite(self._found(name, known, "methods"), self.plan.config.quirks), name, pairs)
            for name, pairs in self._pairs(self.track.methods)
        ]

    @cached_property
    def variants(self) -> list[Row]:
        """Ablations, or methods under one recipe, with the quirks of what they vary."""
        known = {method.name: method for method, _ in self.recipes.variants}
        varied = {method.name: of for method, of in self.recipes.variants}
        quirks = self.plan.config.quirks
        return [
            Row("variant", rewrite(self._found(name, known, "variants"), quirks, varied[name]), name, pairs)
            for name, pairs in self._pairs(self.track.variants)
        ]

    @cached_property
    def switched(self) -> list[Row]:
        """Methods with one more quirk switched, on the first of their pairs, where that changes them."""
        found = []
        for name in self.plan.config.variants.quirks:
            quirk = quirk_of(name)
            for switch, change in switches_of(name).items():
                for row in self.methods:
                    changed = change(row.method) if quirk.concerns(row.method.name) else row.method
                    if changed != row.method:
                        label = f"{row.method.name} [{name}: {switch}]"
                        found.append(Row("quirk", replace(changed, name=label), row.like, row.pairs[:1]))
        return found

    def rows(self) -> Iterator[tuple[Row, str, str, int, Stage]]:
        """Every entry but teachers: row, teacher, student, seed, and the stage of its results."""
        for row in (*self.methods, *self.variants, *self.switched):
            seeds = self.plan.config.variants.seeds if row.role == "quirk" else self.section.seeds
            for teacher, student in row.pairs:
                for seed in seeds:
                    yield row, teacher, student, seed, self.student(row, teacher, student, seed)

    def _found(self, name: str, known: Mapping[str, Method], key: str) -> Method:
        if name not in known:
            raise InputError(f"{self.place}.{key}: no recipe for {name!r}; {nearest(name, list(known))}")
        kind = _FAMILIES[self.track.family][0]
        if known[name].family not in (kind, _CAUSAL if kind in _CAUSAL_KINDS else kind):
            raise InputError(
                f"{self.place}.{key}: {name} is for {known[name].family} models, this track has {kind}"
            )
        return known[name]

    def _pairs(
        self, table: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        """Each row of a table with its teachers and students, in the order of the recipes."""
        methods = (*self.recipes.methods, *(method for method, _ in self.recipes.variants))
        order = [method.name for method in methods]
        rows = sorted(table.items(), key=lambda row: order.index(row[0]) if row[0] in order else len(order))
        for name, row in rows:
            pairs = []
            for text in row:
                teacher, _, student = text.rpartition("-")
                pairs.append((teacher or self.track.teachers[0], student))
                for symbol in pairs[-1]:
                    if symbol not in self.track.models:
                        known = list(self.track.models)
                        raise InputError(f"{self.place}: no model {symbol!r}; {nearest(symbol, known)}")
                if pairs[-1][0] not in self.track.teachers:
                    raise InputError(
                        f"{self.place}: {text}: {teacher} is none of teachers; add it, or name another"
                    )
            yield name, tuple(pairs)

    def pretrained(self, symbol: str) -> Stage | None:
        """A teacher after pretraining, or as it is imported; ``None``: it starts with the tasks."""
        # As one value, whose digest is taken once.
        if (symbol, "pretraining") not in self._teachers:
            self._teachers[symbol, "pretraining"] = self._pretrained(symbol)
        return self._teachers[symbol, "pretraining"]

    def _pretrained(self, symbol: str) -> Stage | None:
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

    def _original(self, student: str) -> Stage:
        """The checkpoint that a student begins with, instead of learning words by itself: every seed's."""
        found = self.pretrained(student)
        assert found is not None
        return found

    def fine_tuned(self, symbol: str) -> Stage:
        """A teacher on the tasks."""
        found = self._teachers.get((symbol, "task"))
        if found is None:
            found = self._teachers[symbol, "task"] = self._fine_tuned(symbol)
        return found

    def _fine_tuned(self, symbol: str) -> Stage:
        return Stage(
            phase="task",
            architecture=text_architecture(symbol, self.track),
            objective=BY_LABELS.objective,
            schooling=tuple(self._run(task, None, "teacher", DATA) for task in tasks_of(self.track)),
            data=self._words,
            seed=TEACHER_SEED,
            init=self.pretrained(symbol),
            precision=self.plan.config.precision,
        )

    def student(self, row: Row, teacher: str, student: str, seed: int) -> Stage:
        """The stage that holds a row's result on a pair of models with a seed."""
        stage: Stage | None = None
        for step in row.method.steps:
            stage = self._step(row, step, stage, teacher, student, seed)
        assert stage is not None
        return stage

    def _step(
        self, row: Row, step: Step, before: Stage | None, teacher: str, student: str, seed: int
    ) -> Stage:
        method = row.method
        if step == ON_WORDS and student in self.track.import_teacher:
            return self._original(student)
        cut = method.cut if method.start == "truncate" and before is None else None
        assert cut is None or isinstance(cut, Slices)
        _check_widths(self, step.objective, method, teacher, student)
        taught = step.objective.needs_teacher or step.sequences.from_teacher
        shown = self._shown(method, step, teacher) if taught or cut is not None else None
        return Stage(
            phase=step.phase,
            architecture=text_architecture(student, self.track),
            objective=step.objective,
            schooling=tuple(
                self._run(task, row.like, "student", step.sequences) for task in tasks_of(self.track)
            )
            if step.phase == "task"
            else self._pretraining(*self._student_corpus(method, step), row.like),
            data=self._words,
            seed=seed,
            init=before,
            truncated=None if cut is None or shown is None else Truncation(shown, cut),
            teachers=(shown,) if taught and shown is not None else (),
            precision=self.plan.config.precision,
        )

    def _shown(self, method: Method, step: Step, teacher: str) -> Stage:
        """The teacher of a step: fine-tuned on tasks, pretrained before."""
        return self.fine_tuned(teacher) if step.phase == "task" else self._pretrained_teacher(method, teacher)

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

    def _student_corpus(self, method: Method, step: Step) -> tuple[PretrainingRun, Noise]:
        """A student's run on the corpus: clean text, but for models that learn it by themselves."""
        settings = self.track.pretraining.student
        if settings is None:
            raise InputError(
                f"{self.place}.pretraining.student: is null, but {method.name} learns on the corpus; "
                "give it a run, or leave the method out"
            )
        return settings, "none" if step.objective.needs_teacher else self.track.pretraining.noise

    def _pretraining(
        self,
        settings: PretrainingRun | None,
        noise: Noise,
        method: str | None = None,
    ) -> Pretraining:
        assert settings is not None
        corpus = TextCorpus(self.track.family, self.track.pretraining.length, noise)
        optimiser = optimiser_of(settings.optimiser, settings.optimiser.learning_rate)
        if method is not None:
            optimiser = self._released(optimiser, method, "pretraining", None)
        micro = math.gcd(settings.batch_size, settings.micro_batch_size)
        return Pretraining(optimiser, corpus, settings.steps, settings.batch_size, micro)

    def _run(
        self, task: str, method: str | None, role: Literal["teacher", "student"], sequences: Sequences
    ) -> TaskRun:
        training = self.track.task_training
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
        }
        if task == INSTRUCTIONS:
            return PromptRun(**common, **_prompts(self.track), sequences=sequences)
        settings = self.track.tasks[task]
        if settings.target is None:
            return ClassRun(**common, source=settings.source)
        decoding = decoding_of(settings)
        return PairRun(**common, source=settings.source, target=settings.target, decoding=decoding)

    def _released(
        self, optimiser: Optimiser, method: str, stage: Literal["pretraining", "task"], task: str | None
    ) -> Optimiser:
        """Rate and decay of a method's script: the rate in proportion to that of the track's first method.

        Methods that no script trains there, and those under one recipe, take the track's own.
        """
        first = min(self.track.methods, key=[known.name for known in self.recipes.methods].index)
        ours, reference = (self.recipes.rates(name, stage, task) for name in (method, first))
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


def _prompts(track: Track) -> dict[str, Any]:
    """What of a track's instructions its runs hold."""
    settings = track.instructions
    assert settings is not None
    drawn = settings.sampling
    return {
        "train": settings.train,
        "sets": settings.sets,
        "longest": settings.length,
        "learn_end": settings.learn_end,
        "sampling": Sampling(settings.new_tokens, drawn.temperature, drawn.top_p),
        "drawn": drawn.seed,
    }


def _check(tracks: TrackPlan) -> None:
    """What the section alone cannot see."""
    track, place = tracks.track, tracks.place
    for symbol in (*track.teachers, *track.import_teacher):
        if symbol not in track.models:
            raise InputError(f"{place}: no model {symbol!r}; {nearest(symbol, list(track.models))}")
    for name, task in track.tasks.items():
        if (task.target is None) != (task.decoding is None):
            raise InputError(f"{place}.tasks.{name}: target and decoding go together; give both or none")
        paper_of(tracks.paper).task(name)
    causal = _FAMILIES[track.family][0] in _CAUSAL_KINDS
    if causal != (track.instructions is not None) or causal == bool(track.tasks):
        raise InputError(
            f"{place}: {track.family} models learn {'instructions' if causal else 'tasks'}; give those alone"
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
