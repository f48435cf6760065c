"""A small world made step by step, each step in a process of its own that can be killed at any instant.

One process imports everything and is forked for each attempt (the standard library's fork server: some
30 ms an attempt; it never starts a thread of torch's and never touches a GPU).
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch

from retort.config import load
from retort.data.prepare import encode, provide
from retort.errors import run_cli
from retort.evaluation.collect import collect_scores
from retort.evaluation.gates import check_gates
from retort.files import sha256_of
from retort.plan import Plan
from retort.stages import Stage
from retort.training import loop, pretraining, tasks
from retort.training.checkpoints import Scratch
from retort.training.pretraining import pretrain
from retort.training.setup import Job, prepare_process
from retort.training.signals import store_signals
from retort.training.tasks import train_tasks
from retort.training.vocabularies import make_vocabulary

OVERRIDES = {
    "tasks": ["RTE", "COPA"],
    "methods": ["TinyBERT", "GLMD", "RL-KD"],
    "pairs": ["T1-S1", "(T1,T2)-S2"],
    "data": {"pocket": {"documents": 300, "train_size": 10, "dev_size": 4}},
    "pretraining": {"teacher": {"steps": 5}, "student": {"steps": 5}},
    "task_training": {"epochs": 2, "batch_size": 5, "evaluations": 2},
    "variants": {"tables": [], "quirks": []},
}
CONFIG = load("smoke", OVERRIDES)
VOLATILE = {"started", "finished", "seconds", "tokens_per_second", "peak_memory_mib"}
"""What run cards hold of time and memory: all that may differ between two runs of the same thing."""


def plan_in(results: Path) -> Plan:
    """The plan of the world in a results folder."""
    return Plan(CONFIG, results)


def job_in(plan: Plan) -> Job:
    """How stages are run; reading the code of all stages would cost more than they do."""
    return Job(plan.layout, "code", torch.device("cpu"), plan.digest, ("python", "x.py"))


@dataclass(frozen=True)
class Step:
    """One step of the workflow: what it does, and the files or folders that it leaves."""

    name: str
    kind: str
    work: Callable[[Plan], None]
    leaves: Callable[[Plan], list[Path]]


def _provide(plan: Plan) -> None:
    provide(plan.config, plan.layout.data(plan.data))


def _encode(plan: Plan) -> None:
    encode(plan.config, plan.layout.data(plan.data) / "manifest.json", plan.layout.text(plan.text))


def _staged(work: Callable[[Stage, Job], None], name: str) -> Callable[[Plan], None]:
    return lambda plan: work(plan.stages[name], job_in(plan))


def _kind(stage: Stage) -> str:
    sites = {term.site for term in stage.objective.terms}
    what = (
        "several teachers" if len(stage.teachers) > 1
        else "features" if sites - {"words", "class", "hard"}
        else "words" if "words" in sites
        else "classes" if stage.teachers
        else "alone"
    )  # fmt: skip
    compressed = ", compressed vocabulary" if stage.compression is not None else ""
    return f"{stage.phase}: {what}{compressed}"


def steps_of(plan: Plan) -> dict[str, Step]:
    """All steps by name, in an order in which they can be run."""
    found = [
        Step("data", "data", _provide, lambda plan: [plan.layout.data(plan.data)]),
        Step("text", "text", _encode, lambda plan: [plan.layout.text(plan.text)]),
    ]
    mapped: set[Path] = set()
    for name, stage in plan.stages.items():
        if stage.compression is not None and plan.layout.vocabulary(stage) not in mapped:
            mapped.add(plan.layout.vocabulary(stage))
            found.append(
                Step(
                    f"vocabulary of {name}",
                    "vocabulary map",
                    _staged(make_vocabulary, name),
                    lambda plan, name=name: [plan.layout.vocabulary(plan.stages[name]).parent],
                )
            )
        work = pretrain if stage.phase == "pretraining" else train_tasks
        found.append(
            Step(
                name,
                _kind(stage),
                _staged(work, name),
                lambda plan, name=name: [plan.layout.stage(plan.stages[name])],
            )
        )
        if any(stage in other.teachers for other in plan.stages.values()) and stage.phase == "task":
            found.append(
                Step(
                    f"signals of {name}",
                    "signals",
                    _staged(store_signals, name),
                    lambda plan, name=name: [plan.layout.signals(plan.stages[name])],
                )
            )
    found.append(Step("gates", "gates", check_gates, lambda plan: [plan.layout.root / "gates.json"]))
    found.append(Step("scores", "scores", collect_scores, lambda plan: [plan.layout.root / "glmd"]))
    return {step.name: step for step in found}


STEPS = steps_of(plan_in(Path("results")))


# What happens in the process that may be killed


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step.

    Attributes:
        die_at: the process kills itself right before so many changes of the file system (from 1).
        half: the file that this change would have given its name is cut in half before.
        plot: what goes wrong in the process, see :data:`PLOTS`.
        limits: resource limits by name, in bytes; that of the address space is on top of what it has.
    """

    step: str
    results: str
    die_at: int | None = None
    half: bool = False
    plot: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


def run_attempt(attempt: Attempt, said: Any, log: str) -> None:
    """Body of a forked process: say that it begins, do the step, say what it was."""
    with Path(log).open("a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    prepare_process(1)
    Scratch.due = lambda self: True
    # Each evaluation beats those before, so that what is published hangs on every update.
    numbers = itertools.count()
    tasks.selection_score = lambda task, metrics: next(numbers)
    torch.manual_seed(time.monotonic_ns() % 2**31)  # a new process has another generator
    if attempt.plot is not None:
        PLOTS[attempt.plot]()
    _limit(attempt.limits)
    plan = plan_in(Path(attempt.results))
    changes = [0]
    sys.addaudithook(_hook(attempt, changes))
    said.send("begins")
    started = time.perf_counter()
    run_cli(lambda: STEPS[attempt.step].work(plan))
    said.send({"seconds": time.perf_counter() - started, "changes": changes[0]})


def _limit(limits: Mapping[str, int]) -> None:
    for name, size in limits.items():
        kind = getattr(resource, name)
        own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(kind, (size + (own if name == "RLIMIT_AS" else 0), resource.getrlimit(kind)[1]))


def _hook(attempt: Attempt, changes: list[int]) -> Callable[[str, tuple[Any, ...]], None]:
    root = str(Path(attempt.results).absolute())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or ".progress" in str(arguments[0]):
            return
        if event == "open" and not (
            arguments[2] & (os.O_WRONLY | os.O_RDWR) and str(arguments[0]).startswith(root)
        ):
            return
        changes[0] += 1
        if changes[0] == attempt.die_at:
            if attempt.half and event == "os.rename" and os.path.isfile(arguments[0]):
                os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def _forget_random_state() -> None:
    loop._set_random_state = lambda state, device: None


def _forget_optimisers() -> None:
    def restore(self, state, real=loop.Trainer.restore):
        fresh = [optimiser.state_dict() for optimiser in self.optimisers]
        real(self, state | {"optimisers": fresh})

    loop.Trainer.restore = restore


def _forget_lenses() -> None:
    def restore(self, state, real=loop.Trainer.restore):
        real(self, state | {"lenses": self.objective.state_dict()})

    loop.Trainer.restore = restore


def _repeat_an_update() -> None:
    def restore(self, state, real=loop.Trainer.restore):
        real(self, state | {"step": state["step"] - 1})

    loop.Trainer.restore = restore


def _forget_the_diary() -> None:
    for module in (pretraining, tasks):
        real = module._Diary
        module._Diary = lambda real=real, **found: real()


def _die_in_the_last_update() -> None:
    def update(self, batches, epoch=0, real=loop.Trainer.update):
        if self.step == self.total - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, batches, epoch)

    loop.Trainer.update = update


def _ask_for_too_much() -> None:
    def forward(self, batch, clock, real=loop.Trainer._forward):
        if self.step == 2:
            torch.empty(2**32)  # 16 GiB
        return real(self, batch, clock)

    loop.Trainer._forward = forward


SABOTAGES = {
    "forgets the random state": _forget_random_state,
    "forgets the optimisers": _forget_optimisers,
    "forgets the lenses": _forget_lenses,
    "repeats an update": _repeat_an_update,
    "forgets the diary": _forget_the_diary,
}
"""Mistakes that resuming could make."""
PLOTS = SABOTAGES | {
    "dies in the last update": _die_in_the_last_update,
    "asks for 16 GiB": _ask_for_too_much,
}


# The parent


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: its exit code (negative: the signal), and what it said last."""

    code: int
    said: dict[str, Any]


class Forge:
    """Runs attempts in forked processes, in one folder, so that even absolute paths are the same."""

    def __init__(self, folder: Path) -> None:
        self.base, self.live, self.log = folder / "base", folder / "live", folder / "log.txt"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["fault_runs"])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the server imports before it is told a path
        forkserver.ensure_running()
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
        self.plan = plan_in(self.live)
        self.seconds: dict[str, float] = {}
        self.changes: dict[str, int] = {}

    def attempt(self, step: str, kill_after: float | None = None, **settings: Any) -> Ended:
        """One attempt at a step in ``live``; killed so many seconds after it has begun."""
        hears, says = self.context.Pipe(duplex=False)
        attempt = Attempt(step, str(self.live), **settings)
        process = self.context.Process(target=run_attempt, args=(attempt, says, str(self.log)))
        process.start()
        says.close()
        said: dict[str, Any] = {}
        try:
            assert hears.recv() == "begins"
            if kill_after is not None:
                process.join(kill_after)
                process.kill()
            said = hears.recv()
        except EOFError:
            pass
        process.join()
        return Ended(process.exitcode, said)

    def make_base(self) -> None:
        """Every step undisturbed, once; how long each took and how often it changed the file system."""
        for name in STEPS:
            ended = self.attempt(name)
            assert ended.code == 0, self.log.read_text()[-3000:]
            self.seconds[name], self.changes[name] = ended.said["seconds"], ended.said["changes"]
        self.live.rename(self.base)

    def without(self, step: str, copy: Callable[[str, str], Any] = os.link) -> None:
        """All in ``live`` again but what a step leaves (files are shared: none is ever written into)."""
        if self.live.exists():
            for path in self.live.iterdir():  # it may be where a disk is mounted
                shutil.rmtree(path)
        shutil.copytree(self.base, self.live, copy_function=copy, dirs_exist_ok=True)
        self.log.write_text("")
        for path in STEPS[step].leaves(self.plan):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def differences(self) -> list[str]:
        """Files that are not what the undisturbed run left: surplus, missing or other bytes."""
        ours, theirs = contents(self.live), contents(self.base)
        return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file and target of every link below a folder, hidden ones included.

    Left out: status files of running jobs, and of run cards the fields in :data:`VOLATILE`.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name == ".progress":
            continue
        name = str(path.relative_to(folder))
        if path.is_dir() and not path.is_symlink():
            found[name] = "folder"
        elif path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.name == "card.json":
            card = json.loads(path.read_text())
            found[name] = json.dumps({key: value for key, value in card.items() if key not in VOLATILE})
        else:
            found[name] = sha256_of(path)
    return found
