"""From a configuration to the stages that exist and what each needs.

The only place that knows what is in the DAG: the Snakefile asks it for stages and their files,
scripts ask it for the stage behind an id. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from retort.cells import Cell, cells
from retort.config.model import Config, pair_models
from retort.errors import InputError
from retort.files import digest_of
from retort.layout import Layout
from retort.models.glm_architecture import Architecture, Leading
from retort.quirks import chosen_switches
from retort.recipes import Cut, Method, Step
from retort.recipes.chosen import chosen_methods, own_of
from retort.recipes.glmd import FINE_TUNE, LANGUAGE_MODEL
from retort.schooling import TEACHER_ROW, Schooling
from retort.stage_code import stage_code
from retort.stages import Compression, Stage, Truncation
from retort.students import architecture, columns, student_architecture
from retort.texts import (
    CORPUS,
    EncodedPart,
    encoded_parts,
    paper_section,
    raw_names,
    text_names,
    text_papers,
)
from retort.tracks import TEACHER_SEED


class Plan:
    """All stages of a configuration.

    Args:
        config: a complete configuration.
        results: the folder that holds one folder per scale.

    Attributes:
        pretraining: students' pretraining stages made so far, by method, pair, seed and number of the step.

    Raises:
        InputError: a quirk or one of its switches does not exist, or the table of hyper-parameters is bad.
    """

    def __init__(self, config: Config, results: Path = Path("results")) -> None:
        self.config = config
        self.layout = Layout(results / config.scale)
        self.schooling = Schooling(config, self.text)
        self._teachers: dict[tuple[str, tuple[str, ...] | None], Stage] = {}
        self.pretraining: dict[tuple[str, str, int, int], Stage] = {}
        chosen_switches(config.quirks)  # a mistake is told at once, whether or not a method is affected

    @cached_property
    def data(self) -> dict[str, str]:
        """Folder of raw data by part: the corpus, each task (see :mod:`retort.texts`)."""
        return raw_names(self.config)

    @cached_property
    def parts(self) -> dict[str, EncodedPart]:
        """What each encoded part is made from."""
        return encoded_parts(self.config)

    @cached_property
    def digest(self) -> str:
        """Digest of the whole configuration: names its file, and stands on run cards."""
        return digest_of(self.config.model_dump(mode="json"))

    @cached_property
    def text(self) -> dict[str, str]:
        """Folder of encoded text by part: the corpus with its vocabulary, each task."""
        return text_names(self.config)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every entry of every table.

        Raises:
            InputError: a pair that no method runs on, or a quirk to try that cannot be switched.
        """
        return cells(self)

    def cells_of(self, paper: str) -> tuple[Cell, ...]:
        """The entries of one paper's tables."""
        return tuple(cell for cell in self.cells if cell.paper == paper)

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """The methods of the configuration, in its order, and all of the user's own file; quirks applied.

        Raises:
            InputError: a method that no recipe has.
        """
        return chosen_methods(self.config, self.own)

    @cached_property
    def own(self) -> tuple[Method, ...]:
        """The methods of the user's own recipe file.

        Raises:
            InputError: the file does not give any.
        """
        return own_of(self.config)

    def columns(self, method: Method) -> list[str]:
        """The pairs that a method runs on."""
        pairs = columns(method, self.config.pairs)
        return pairs if self.config.columns == "all" else pairs[:1]

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Tasks that are trained in one job."""
        tasks, size = self.config.tasks, self.config.task_training.tasks_per_job
        return tuple(tasks[i : i + size] for i in range(0, len(tasks), size))

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """Every stage by id, ancestors before descendants."""
        found: dict[str, Stage] = {}

        def visit(stage: Stage) -> None:
            if stage.id not in found:
                for parent in stage.ancestors():
                    visit(parent)
                found[stage.id] = stage

        for cell in self.cells:
            for stage in cell.stages:
                visit(stage)
        return found

    def stage(self, name: str) -> Stage:
        """The stage with an id.

        Raises:
            InputError: this configuration has no such stage.
        """
        if name not in self.stages:
            raise InputError(f"stage {name!r} is not in this plan; 'make plan' lists those that are")
        return self.stages[name]

    def devices(self, stage: Stage) -> int:
        """How many devices, with a process each, a stage's job takes: what the largest of its models needs.

        No part of the stage's identity: what comes out is the same.
        """
        if stage.schooling is None:
            return 1
        return max(self._devices[m.architecture.name] for m in (stage, *stage.teachers))

    @cached_property
    def _devices(self) -> dict[str, int]:
        """By symbol of a model; no two have the same."""
        found = {symbol: model.devices for symbol, model in self.config.models.items()}
        for paper in text_papers(self.config):
            for track in paper_section(self.config, paper).tracks.values():
                found |= {symbol: model.devices for symbol, model in track.models.items()}
        return found

    def code(self, stage: Stage) -> str:
        """Fingerprint of all code that a stage's result depends on."""
        return stage_code(stage, self.config.recipes)

    def pretrained(self, name: str) -> Stage:
        """A teacher's pretraining stage, or its import."""
        if (name, None) not in self._teachers:
            self._teachers[name, None] = self._pretrained(name)
        return self._teachers[name, None]

    def _pretrained(self, name: str) -> Stage:
        imported = self.config.import_teacher.get(name)
        return Stage(
            phase="pretraining",
            architecture=self.architecture(name),
            objective=LANGUAGE_MODEL.objective,
            schooling=None if imported else self.schooling.pretraining("teacher"),
            data=self.text[CORPUS],
            seed=TEACHER_SEED,
            imported=imported,
            precision=self.config.precision,
        )

    def fine_tuned(self, name: str, tasks: tuple[str, ...]) -> Stage:
        """A teacher's fine-tuning stage."""
        if (name, tasks) not in self._teachers:
            self._teachers[name, tasks] = Stage(
                phase="task",
                architecture=self.architecture(name),
                objective=FINE_TUNE.objective,
                schooling=self.schooling.runs(TEACHER_ROW, name, tasks, "teacher"),
                data=self.text[CORPUS],
                seed=TEACHER_SEED,
                init=self.pretrained(name),
                precision=self.config.precision,
            )
        return self._teachers[name, tasks]

    def student_stage(
        self,
        method: Method,
        pair: str,
        student: str,
        step: Step,
        before: Stage | None,
        teachers: tuple[Stage, ...],
        seed: int,
        tasks: tuple[str, ...],
    ) -> Stage:
        """One step of a method as a stage.

        Args:
            method, pair, seed: the row of the table.
            student: symbol of the model that is trained.
            step: what is trained.
            before: the stage it starts from; ``None``: the method's start.
            teachers: of this step, whether its objective looks at them or not.
            tasks: of the job, in the task phase.
        """
        truncated = method.start == "truncate" and before is None
        row = method.tuned_as or method.name
        runs = self.schooling.runs(row, pair, tasks, "student")
        mapped_by = self.pretrained(pair_models(pair)[0]) if method.compression else None
        return Stage(
            phase=step.phase,
            architecture=student_architecture(self, method, pair, student),
            objective=step.objective,
            schooling=runs
            if step.phase == "task"
            else self.schooling.pretraining("student", step.batch_share),
            data=self.text[CORPUS],
            seed=seed,
            init=before,
            truncated=self._truncation(method, pair, student, teachers) if truncated else None,
            teachers=teachers if step.objective.needs_teacher else (),
            compression=self._compression(method),
            mapped_by=mapped_by,
            carry_lenses=step.carry_lenses,
            precision=self.config.precision,
        )

    def _truncation(self, method: Method, pair: str, student: str, teachers: tuple[Stage, ...]) -> Truncation:
        """Start from the first teacher's first layers; an encoder in front of the teachers is none."""
        assert isinstance(method.cut, Cut)
        if method.cut.source == "pretrained":
            source = self.pretrained(pair_models(pair)[0])
        else:
            source = next((t for t in teachers if t.phase == "task"), teachers[0])
        # Between equal widths nothing is cut off, whichever way: such stages are the same.
        equal = source.architecture.width == self.architecture(student).width
        return Truncation(source, Leading(method.cut.fused or equal))

    def architecture(self, name: str) -> Architecture:
        """The architecture of a model symbol.

        Raises:
            InputError: the configuration has no such model.
        """
        if name not in self.config.models:
            raise InputError(f"models: no {name!r}; there are {', '.join(self.config.models)}")
        return architecture(name, self.config.models[name])

    def _compression(self, method: Method) -> Compression | None:
        if method.compression is None:
            return None
        settings = self.config.compression
        return replace(
            method.compression,
            reserved_targets=settings.reserved_targets,
            multiple_of=settings.multiple_of,
        )
