"""Tracks: how the methods of a paper on transformers models become stages, family by family.

What :mod:`retort.students` and :mod:`retort.schooling` are for GLMD: one row of a table unfolded into its
chain of stages, configured values as frozen ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from retort.config.messages import nearest
from retort.config.sections import PretrainingRun
from retort.distill.objective import hard
from retort.errors import InputError
from retort.models.hf.architecture import Slices
from retort.quirks import quirk_of, rewrite, switches_of
from retort.recipes import DATA, Chain, Method, Step, finetune, pretrain
from retort.recipes.registry import RECIPES
from retort.stages import Stage, Truncation
from retort.texts import paper_section, tasks_of, text_part
from retort.track_checks import check, check_pair, check_widths
from retort.track_models import CAUSAL, CAUSAL_KINDS, FAMILIES, Models, models_of, text_architecture
from retort.track_runs import TrackRuns

if TYPE_CHECKING:
    from retort.data.text_samples import Noise
    from retort.plan import Plan

TEACHER_SEED = 1234
"""Teachers are single runs, as in the paper."""

BY_LABELS = finetune(hard())
ON_WORDS = pretrain(hard())
"""How teachers learn."""


@dataclass(frozen=True)
class Row:
    """A row of a table before seeds.

    Attributes:
        role: see :class:`retort.cells.Cell`.
        method: as it runs; ``like``: the recipe whose released rate and decay it takes.
        pairs: symbols of the models of each: teacher, assistants, student.
    """

    role: str
    method: Method
    like: str
    pairs: tuple[Models, ...]


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
        self.label = FAMILIES[self.track.family][1]
        self.recipes = RECIPES[paper]
        self.runs = TrackRuns(paper, name, self.track, plan.text)
        self._teachers: dict[tuple[str, str | Fraction], Stage | None] = {}
        check(self)

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

    def rows(self) -> Iterator[tuple[Row, str, int, Stage]]:
        """Every entry but teachers: row, pair, seed, and the stage of its results."""
        for row in (*self.methods, *self.variants, *self.switched):
            seeds = self.plan.config.variants.seeds if row.role == "quirk" else self.section.seeds
            for models in row.pairs:
                for seed in seeds:
                    yield row, "-".join(models), seed, self.student(row, models, seed)

    def _found(self, name: str, known: Mapping[str, Method], key: str) -> Method:
        if name not in known:
            raise InputError(f"{self.place}.{key}: no recipe for {name!r}; {nearest(name, list(known))}")
        kind = FAMILIES[self.track.family][0]
        if known[name].family not in (kind, CAUSAL if kind in CAUSAL_KINDS else kind):
            raise InputError(
                f"{self.place}.{key}: {name} is for {known[name].family} models, this track has {kind}"
            )
        return known[name]

    def _pairs(self, table: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, tuple[Models, ...]]]:
        """Each row of a table with the models of its pairs, in the order of the recipes."""
        methods = (*self.recipes.methods, *(method for method, _ in self.recipes.variants))
        order = [method.name for method in methods]
        rows = sorted(table.items(), key=lambda row: order.index(row[0]) if row[0] in order else len(order))
        for name, row in rows:
            yield name, tuple(models_of(text, self.track, self.place) for text in row)

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
            schooling=None if imported else self.runs.pretraining(settings, self.track.pretraining.noise),
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

    def fine_tuned(self, symbol: str, share: Fraction = Fraction(1)) -> Stage:
        """A teacher on the tasks; ``share``: of its epochs, if it stops early.

        Raises:
            InputError: it has too few epochs to stop early.
        """
        found = self._teachers.get((symbol, share))
        if found is None:
            found = self._teachers[symbol, share] = self._fine_tuned(symbol, share)
        return found

    def _fine_tuned(self, symbol: str, share: Fraction) -> Stage:
        return Stage(
            phase="task",
            architecture=text_architecture(symbol, self.track),
            objective=BY_LABELS.objective,
            schooling=tuple(
                self.runs.run(task, None, "teacher", DATA, share) for task in tasks_of(self.track)
            ),
            data=self._words,
            seed=TEACHER_SEED,
            init=self.pretrained(symbol),
            precision=self.plan.config.precision,
        )

    def student(self, row: Row, models: Models, seed: int) -> Stage:
        """The stage that holds a row's result on the models of a pair with a seed.

        Raises:
            InputError: the pair has other models than the method needs.
        """
        check_pair(self, row.method, models)
        teacher, *others = models
        if row.method.chain is not None:
            return self._assisted(row, row.method.chain, teacher, others, seed)
        stage: Stage | None = None
        for step in row.method.steps:
            stage = self._step(row, step, stage, self._shown(row.method, step, teacher), models[-1], seed)
        assert stage is not None
        return stage

    def _assisted(self, row: Row, chain: Chain, teacher: str, others: list[str], seed: int) -> Stage:
        """Each model after the first from its own start, taught by the one before it or by all of them."""
        done = [self.fine_tuned(teacher)]
        for symbol, link in zip(others, chain.links, strict=True):
            stage: Stage | None = None
            for step in row.method.steps:
                stage = self._step(row, step, stage, (), symbol, seed)
            shown = tuple(reversed(done)) if chain.dense else (done[-1],)
            done.append(self._step(row, link, stage, shown, symbol, seed))
        return done[-1]

    def _step(
        self, row: Row, step: Step, before: Stage | None, shown: tuple[Stage, ...], student: str, seed: int
    ) -> Stage:
        method = row.method
        if step == ON_WORDS and student in self.track.import_teacher:
            return self._original(student)
        cut = method.cut if method.start == "truncate" and before is None else None
        assert cut is None or isinstance(cut, Slices)
        check_widths(self, step.objective, method, shown, student)
        return Stage(
            phase=step.phase,
            architecture=text_architecture(student, self.track),
            objective=step.objective,
            schooling=tuple(
                self.runs.run(task, row.like, "student", step.sequences) for task in tasks_of(self.track)
            )
            if step.phase == "task"
            else self.runs.pretraining(*self._student_corpus(method, step), row.like),
            data=self._words,
            seed=seed,
            init=before,
            truncated=None if cut is None else Truncation(shown[0], cut),
            teachers=shown if _taught(step) else (),
            precision=self.plan.config.precision,
        )

    def _shown(self, method: Method, step: Step, teacher: str) -> tuple[Stage, ...]:
        """The teacher that a step looks at: fine-tuned on tasks, pretrained before."""
        if not _taught(step) and method.start != "truncate":
            return ()
        if step.phase == "task":
            return (self.fine_tuned(teacher, step.teacher_share),)
        return (self._pretrained_teacher(method, teacher),)

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


def _taught(step: Step) -> bool:
    """Whether a teacher's distributions or its texts are learned."""
    return step.objective.needs_teacher or step.sequences.from_teacher
