"""How far training is from its floor, and how long a job takes to start, at the sizes of a scale.

Models have random weights and the data is a small generated world: time does not depend on either.
"""

from __future__ import annotations

import csv
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from retort.benchmarks.timing import alternate, ratio
from retort.config import load
from retort.config.model import as_text
from retort.data.batches import GLMBatch, collate_cloze
from retort.data.parts import prepare_paper
from retort.data.store import load_examples
from retort.distill.binding import BoundObjective
from retort.distill.distances import SoftCrossEntropy
from retort.distill.objective import Objective, hard, soft
from retort.dry_runs import finished, unmade
from retort.files import atomic_path, write_text
from retort.models.checkpoint import save_glm
from retort.models.features import HARD, WORDS, Family, WordLogits
from retort.models.glm import GLM
from retort.models.glm_family import GLMFamily
from retort.plan import Plan
from retort.runcard import Request, processor_name
from retort.runs import Optimiser, Pretraining
from retort.stages import Stage
from retort.training.glm_signals import CachedTeacher, write_signals
from retort.training.loop import Trainer
from retort.training.pretraining import training_stream
from retort.training.setup import Job, prepare_process
from retort.training.tasks import TaskBatches

WORLD = {"documents": 3000, "train_size": 64, "dev_size": 16}
WARM_UP = 5
"""Steps of each kind before the clock starts: allocations and threads settle."""

COLUMNS = ("date", "machine", "python", "torch", "name", "value", "unit", "goal", "repeats")

Step = Callable[[GLMBatch], object]


@dataclass(frozen=True)
class Measurement:
    """One number.

    Attributes:
        name: what was measured; ``value`` in ``unit``.
        goal: the value should not be above it; ``None``: told for information.
        repeats: measurements behind the median.
    """

    name: str
    value: float
    unit: str
    goal: float | None
    repeats: int

    def line(self) -> str:
        """One line for a terminal."""
        goal = (
            ""
            if self.goal is None
            else f"  goal {self.goal:g}: {'met' if self.value <= self.goal else 'MISSED'}"
        )
        value = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.3g}"
        return f"{self.name:45} {value:>10} {self.unit:9}{goal}"


class Workbench:
    """A plan, its encoded world and fresh models, in a folder of its own."""

    def __init__(self, folder: Path, scale: str = "pocket") -> None:
        few = {
            "papers": ["glmd"],
            "methods": ["GLMD-vc"],
            "seeds": [1],
            "variants": {"tables": [], "quirks": []},
        }
        self.plan = Plan(load(scale, {"data": {"pocket": WORLD}} | few), folder)
        prepare_paper(self.plan, "glmd")
        prepare_process(1)

    @property
    def chain(self) -> tuple[Stage, Stage]:
        """The method's pretraining stage and its first task stage."""
        task = self.plan.cells[-1].stages[0].init
        assert task is not None and task.init is not None
        return task.init, task

    def model(self, stage: Stage) -> GLM:
        """A model of a stage's size with random weights."""
        torch.manual_seed(0)
        model: GLM = stage.architecture.builder().new(self.plan.layout.text(stage.data), None, None)  # type: ignore[assignment]
        return model

    def teacher(self, stage: Stage) -> GLMFamily:
        """A frozen model of a teacher's size."""
        return GLMFamily(self.model(stage).requires_grad_(False).eval())

    def job(self, stage: Stage) -> Job:
        """How a stage would be run here."""
        return Job(self.plan.layout, self.plan.code(stage), torch.device("cpu"), Request.made_now({}))

    def pretraining_batches(self, stage: Stage, count: int) -> list[GLMBatch]:
        """The first batches of a pretraining stage."""
        assert isinstance(stage.schooling, Pretraining)
        stream = training_stream(stage, stage.schooling, self.job(stage))
        return [stream(step)[0] for step in range(count)]


def pretraining(bench: Workbench, repeats: int) -> list[Measurement]:
    """A distilled pretraining update over its floor: the two networks by themselves on the same batch.

    Distilling words needs both models' logits at every position, which neither network needs by
    itself; the second ratio counts these products in the floor, as large ones dwarf all else.
    """
    stage, _ = bench.chain
    assert isinstance(stage.schooling, Pretraining)
    student, teacher = GLMFamily(bench.model(stage)), bench.teacher(stage.teachers[0])
    update = _update(student, [teacher], stage.objective, stage.schooling.optimiser)
    floor = _by_itself(GLMFamily(bench.model(stage)), teacher, all_words=False)
    with_words = _by_itself(GLMFamily(bench.model(stage)), teacher, all_words=True)
    batches = bench.pretraining_batches(stage, 16)
    took = alternate([update, floor, with_words, _seen(teacher)], batches, repeats, WARM_UP)
    tokens = statistics.mean(int(batch.valid.sum()) for batch in batches)
    return [
        Measurement("pretraining step over its floor", ratio(took[0], took[1]), "", 1.10, repeats),
        Measurement("the same, logits in the floor", ratio(took[0], took[2]), "", None, repeats),
        Measurement("teacher's forward, share of the step", ratio(took[3], took[0]), "", None, repeats),
        Measurement("pretraining step", 1000 * statistics.median(took[0]), "ms", None, repeats),
        Measurement("pretraining speed", tokens / statistics.median(took[0]), "tokens/s", None, repeats),
    ]


def cached_task(bench: Workbench, folder: Path, repeats: int, task: str = "RTE") -> list[Measurement]:
    """Task updates with stored teacher signals over the same update with the hard loss alone."""
    _, stage = bench.chain
    assert isinstance(stage.schooling, tuple)
    settings = next(run for run in stage.schooling if run.task == task)
    examples = load_examples(bench.plan.layout.text(settings.text), "train")
    online = bench.teacher(stage.teachers[0])
    write_signals(folder / "signals.safetensors", online, examples, torch.device("cpu"))
    cached = CachedTeacher(folder / "signals.safetensors", online.shape, torch.device("cpu"))
    classes = soft(SoftCrossEntropy()).in_phase("task")
    updates = [
        _update(GLMFamily(bench.model(stage)), teachers, objective, settings.optimiser)
        for teachers, objective in (
            ([cached], stage.objective),
            ([cached], classes),
            ([], hard().in_phase("task")),
        )
    ]
    stream = TaskBatches(examples, partial(collate_cloze, mean_over_tokens=False), settings, seed=1)
    batches = [stream(step)[0] for step in range(stream.per_epoch)]
    took = alternate(updates, batches, repeats, WARM_UP)
    tokens = statistics.mean(int(batch.valid.sum()) for batch in batches)
    return [
        Measurement(
            "cached task step (words) over student alone", ratio(took[0], took[2]), "", 1.05, repeats
        ),
        Measurement("cached task step (classes) over the same", ratio(took[1], took[2]), "", 1.05, repeats),
        Measurement("cached task step (words)", 1000 * statistics.median(took[0]), "ms", None, repeats),
        Measurement("cached task speed", tokens / statistics.median(took[0]), "tokens/s", None, repeats),
    ]


def start_up(bench: Workbench, repeats: int) -> list[Measurement]:
    """From the start of a job's process to its first update."""
    stage, _ = bench.chain
    (teacher,) = stage.teachers
    save_glm(bench.plan.layout.stage(teacher), bench.model(teacher))
    took = [_until_first_update(bench.plan, stage) for _ in range(repeats)]
    return [Measurement("start-up of a job", statistics.median(took), "s", 2.5, repeats)]


def planning(folder: Path) -> list[Measurement]:
    """Snakemake's dry runs: of the paper's search with nothing made, of a pocket run with everything."""
    search = unmade(folder / "search", ("--configfile", "config/paper-search.yaml"))
    done = finished(folder / "pocket", ("--config", "scale=pocket"))
    return [
        Measurement("dry run of the paper's search", search.wall, "s", 60.0, 1),
        Measurement("dry run of the paper's search, processor time", search.processor, "s", None, 1),
        Measurement("dry run of the paper's search, memory", search.memory, "MiB", 2048.0, 1),
        Measurement("dry run after a pocket run", done.wall, "s", 15.0, 1),
        Measurement("dry run after a pocket run, processor time", done.processor, "s", None, 1),
    ]


_START = """
import sys, time
from retort.training import loop
loop.Trainer.update = lambda *arguments: sys.exit(f"first update at {time.time()}")
from retort.cli import stage_job, stage_parser
from retort.training.pretraining import pretrain
pretrain(*stage_job(stage_parser("").parse_args()))
"""


def _until_first_update(plan: Plan, stage: Stage) -> float:
    """Seconds; the process runs the code of scripts/pretrain.py and ends where it would train."""
    config = plan.layout.config(plan.digest)
    write_text(config, as_text(plan.config))
    command = [sys.executable, "-c", _START, "--config", str(config), "--stage", stage.id]
    started = time.time()
    ended = subprocess.run(
        [*command, "--results", str(plan.layout.root.parent)], capture_output=True, text=True, check=False
    )
    at = ended.stderr.rpartition("first update at ")[2]
    return float(at) - started


def _update(student: Family, teachers: Sequence[Family], objective: Objective, settings: Optimiser) -> Step:
    """Whole updates of a trainer."""
    bound = BoundObjective(objective, student.shape, [teacher.shape for teacher in teachers])
    trainer = Trainer(student, teachers, bound, settings, 10**6)
    return lambda batch: trainer.update([batch])


def _seen(teacher: GLMFamily) -> Step:
    """A teacher's forward pass: all that students who share a job and its batches would save."""

    @torch.no_grad()
    def step(batch: GLMBatch) -> object:
        return teacher.observe(batch, frozenset({WORDS}))

    return step


def _by_itself(student: GLMFamily, teacher: GLMFamily, all_words: bool) -> Step:
    """Forward and backward of the student with its own loss, forward of the teacher; no update."""
    student.module.train()

    def step(batch: GLMBatch) -> None:
        student.module.zero_grad(set_to_none=True)
        if all_words:
            batch = replace(batch, predicted=batch.valid)
        student.observe(batch, frozenset({HARD}))[HARD].mean().backward()
        with torch.no_grad():
            words: WordLogits = teacher.observe(batch, frozenset({WORDS}))[WORDS]
            if all_words:
                functional.linear(words.hidden[batch.valid], words.weight)

    return step


def save(path: Path, found: Sequence[Measurement]) -> None:
    """Append to a CSV with date, machine and versions, so that numbers can be compared over time."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(old)
        writer = csv.writer(stream, lineterminator="\n")
        if not old:
            writer.writerow(COLUMNS)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        origin = (now, processor_name(), platform.python_version(), torch.__version__)
        for one in found:
            goal = "" if one.goal is None else one.goal
            writer.writerow([*origin, one.name, f"{one.value:.4g}", one.unit, goal, one.repeats])
