"""The real commands, killed: nothing hangs on how the other tests fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest
from fault_world import CONFIG, STEPS

from retort.config.model import as_text

AS_OFTEN_AS_POSSIBLE = """
import runpy, sys
from newest import evaluate_and_keep
from retort.training import checkpoints, tasks
checkpoints.Scratch.due = lambda self: True
tasks.TaskTraining._evaluate = evaluate_and_keep
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A script as it is, with a state after each update and, as in the world, each evaluation better."""


class Command:
    """A script of the workflow on one stage of the world."""

    def __init__(self, root, forge, script, kind):
        self.forge = forge
        self.step = next(name for name, one in STEPS.items() if one.kind == kind)
        self.config = forge.log.with_name("config.json")
        self.config.write_text(as_text(CONFIG))
        self.command = [
            *(sys.executable, "-c", AS_OFTEN_AS_POSSIBLE, str(root / "scripts" / f"{script}.py")),
            *("--config", str(self.config), "--results", str(forge.live), "--stage", self.step),
        ]
        self.environment = os.environ | {
            "PYTHONPATH": f"{root / 'src'}:{root / 'tests'}",
            "OMP_NUM_THREADS": "1",
        }

    def start(self):
        return subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True, env=self.environment)

    def differences(self):
        """Cards name the code and the command, which are others here."""
        return [name for name in self.forge.differences() if not name.endswith("card.json")]


@pytest.mark.parametrize(
    ("script", "kind"),
    [("pretrain", "pretraining: features"), ("distill_task", "task: words, compressed vocabulary")],
)
def test_a_killed_command_is_finished_by_the_same_command(forge, root, script, kind):
    """Killed while it starts up, and right after it has begun to train."""
    run = Command(root, forge, script, kind)
    forge.without(run.step)
    starting = run.start()
    time.sleep(Random(kind).random())
    starting.kill()
    assert starting.wait() == -signal.SIGKILL
    starting.stderr.close()
    training = run.start()
    while not list(forge.live.rglob("state-*-*.pt")):
        assert training.poll() is None, training.stderr.read()
        time.sleep(0.005)
    training.kill()
    assert training.wait() == -signal.SIGKILL
    training.stderr.close()
    assert not (forge.plan.layout.stage(forge.plan.stages[run.step]) / "metrics.json").exists()
    last = run.start()
    _, printed = last.communicate()
    assert last.returncode == 0, printed
    assert run.differences() == []
