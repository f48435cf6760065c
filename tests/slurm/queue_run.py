"""A small run of the smoke scale through a queue, in which stages can be held so that accidents hit them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from slurm.cluster import Cluster, alive, environment_of, processes, read, wait_for
from workflow.conftest import make_tree

from retort.config import load
from retort.plan import Plan
from retort.stages import Stage

OVERRIDES = {
    "papers": ["glmd"],
    "methods": ["KD", "PD"],
    "tasks": ["RTE"],
    "pairs": ["T1-S1"],
    "variants": {"tables": [], "quirks": []},
    "device": "auto",
}
TARGET = "results/smoke/glmd/scores.csv"
PATIENCE = 120.0

HOLD = """
import sys, time
from pathlib import Path
from retort.training import checkpoints, interruption, loop

HELD = Path("hold", sys.argv[sys.argv.index("--stage") + 1])

def update(self, batches, epoch=0, real=loop.Trainer.update):
    while self.step == 1 and HELD.exists() and not interruption.asked():
        time.sleep(0.05)
    return real(self, batches, epoch)

checkpoints.Scratch.due = lambda self: True
loop.Trainer.update = update
"""
"""Training as ever, but states are saved after each update, and the second waits while a file is there."""


class QueueRun:
    """A clone with a workflow's head process, and the cluster that its jobs run on."""

    def __init__(self, root: Path, folder: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self.folder = make_tree(root, folder).folder
        self.plan = Plan(load("smoke", OVERRIDES), self.folder / "results")
        self.results = self.plan.layout.root
        self.printed = folder / "printed.txt"
        (self.folder / "hold").mkdir()
        for name in ("pretrain", "distill_task"):
            path = self.folder / "scripts" / f"{name}.py"
            path.write_text(path.read_text().replace("\nif __name__", HOLD + "\n\nif __name__"))
        self._heads: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Snakemake as a user would, polling more often."""
        command = [
            sys.executable, str(Path(__file__).with_name("head.py")), TARGET,
            "--workflow-profile", "profiles/slurm", "--slurm-keep-successful-logs",
            "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10",
            "--config", "scale=smoke", *(f"{name}={value}" for name, value in OVERRIDES.items()), *arguments,
        ]  # fmt: skip
        environment = self.cluster.environment | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(self.folder / "src"),
        }
        with self.printed.open("a") as stream:
            head = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=stream, stderr=stream, text=True
            )
        self._heads.append(head)
        return head

    def finish(self, head: subprocess.Popen[str]) -> None:
        """Wait until Snakemake has succeeded."""
        assert head.wait(2 * PATIENCE) == 0, self.why()

    def close(self) -> None:
        """Leave no process behind."""
        for head in self._heads:
            head.kill()
            head.wait()

    def hold(self, stage: Stage) -> None:
        """Have a stage wait after its first update, with its state saved."""
        (self.folder / "hold" / stage.id).touch()

    def release(self, stage: Stage) -> None:
        """Let it go on."""
        (self.folder / "hold" / stage.id).unlink()

    def trainer(self, stage: Stage) -> int | None:
        """The process that works on a stage now."""
        for process in processes():
            command = read(process, "cmdline").split(b"\0")
            if {b"--stage", stage.id.encode()} <= set(command) and self._is_ours(process):
                return process
        return None

    def _is_ours(self, process: int) -> bool:
        return f"PYTHONPATH={self.folder}/src".encode() in environment_of(process) and alive(process)

    def job_of(self, stage: Stage) -> str:
        """Id of the SLURM job in which a stage is held now; waits for it."""
        wait_for(lambda: self.saved(stage) == 1 and self.trainer(stage), PATIENCE, self.why)
        process = self.trainer(stage)
        assert process is not None
        return next(
            entry.partition(b"=")[2].decode()
            for entry in environment_of(process)
            if entry.startswith(b"SLURM_JOB_ID=")
        )

    def saved(self, stage: Stage) -> int:
        """Updates in a stage's newest saved state."""
        found = self.results.glob(f".scratch/{stage.id}-*/**/state-*-*.pt")
        return max((int(path.name.split("-")[1]) for path in found), default=0)

    def kill(self, stage: Stage) -> None:
        """Kill the process that works on a stage, and no other."""
        process = self.trainer(stage)
        assert process is not None
        os.kill(process, signal.SIGKILL)

    def until_job(self, job: str, *states: str) -> None:
        """Wait for a state of a job."""
        wait_for(lambda: self.cluster.states().get(job) in states, PATIENCE, self.why)

    def words(self, stage: Stage, job: str) -> str:
        """What a job printed on a stage; jobs that hold several have one log for all."""
        found = list(self.folder.glob(f"results/slurm-logs/**/{job}.log"))
        text = found[0].read_text() if found else ""
        return "\n".join(line for line in text.splitlines() if stage.id in line or "error:" in line)

    def why(self) -> str:
        """What is known when something did not happen."""
        logs = sorted(self.results.glob("logs/*.log"), key=os.path.getmtime)[-3:]
        tails = [f"{path.name}: {path.read_text()[-800:]}" for path in logs]
        return "\n".join([self.printed.read_text()[-3000:], str(self.cluster.states()), *tails])
