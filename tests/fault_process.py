"""Steps of the small world in processes that are killed: one imports everything and forks for each attempt.

Run as a program: reads a JSON object a line (an attempt, ``log``, ``kill_after``), answers with one.
A fork costs some 30 ms; the process that forks never runs a step itself and never touches a GPU.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # every optimiser imports it: once, here
from fault_world import STEPS, plan_in
from newest import evaluate_and_keep

from retort.errors import run_cli
from retort.training import loop, pretraining, tasks
from retort.training.checkpoints import Scratch
from retort.training.setup import prepare_process


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


def run_attempt(attempt: Attempt, says: Any) -> None:
    """Say that it begins, do the step, say how long it took and how often it changed the file system."""
    prepare_process(1)
    Scratch.due = lambda self: True
    # Each evaluation beats those before, so that what is published hangs on every update.
    tasks.TaskTraining._evaluate = evaluate_and_keep
    torch.manual_seed(time.monotonic_ns() % 2**31)  # a new process has another generator
    if attempt.plot is not None:
        PLOTS[attempt.plot]()
    _limit(attempt.limits)
    plan = plan_in(Path(attempt.results))
    changes = [0]
    sys.addaudithook(_hook(attempt, changes))
    print("begins", file=says, flush=True)
    started = time.perf_counter()
    run_cli(lambda: STEPS[attempt.step].work(plan))
    print(
        json.dumps({"seconds": time.perf_counter() - started, "changes": changes[0]}), file=says, flush=True
    )


CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


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


# What goes wrong on purpose


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
    for module, name in ((pretraining, "Diary"), (tasks, "_Diary")):
        real = getattr(module, name)
        setattr(module, name, lambda real=real, **found: real())


def _die_in_the_last_update() -> None:
    def update(self, batches, epoch=0, real=loop.Trainer.update):
        if self.step == self.total - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, batches, epoch)

    loop.Trainer.update = update


def _ask_for_too_much() -> None:
    def forward(self, shares, kind, real=loop.Trainer._forward):
        if self.step == 2:
            torch.empty(2**32)  # 16 GiB
        return real(self, shares, kind)

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


# The process that forks


def forked(attempt: Attempt, says: int, log: str) -> None:
    """Body of the child; never returns."""
    code = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        with os.fdopen(says, "w") as pipe:
            run_attempt(attempt, pipe)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def one(request: dict[str, Any]) -> dict[str, Any]:
    """Fork for one attempt, kill it after a while if that is asked for; how it ended and what it said."""
    kill_after, log = request.pop("kill_after"), request.pop("log")
    hears, says = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hears)
        forked(Attempt(**request), says, log)
    os.close(says)
    with os.fdopen(hears) as pipe:
        begun = pipe.readline() == "begins\n"
        if kill_after is not None and begun:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        said = pipe.readline()
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "said": json.loads(said) if said else {}}


if __name__ == "__main__":
    for request in sys.stdin:
        print(json.dumps(one(json.loads(request))), flush=True)
