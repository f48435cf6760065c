"""Accidents to Snakemake itself: killed with all its jobs, started twice, a clock that was wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_world import steps_of

from retort.config import load
from retort.plan import Plan
from retort.training.setup import prepare_process

pytestmark = pytest.mark.workflow

FEW = {
    "papers": ["glmd"],
    "methods": ["KD"],
    "tasks": ["RTE"],
    "pairs": ["T1-S1"],
    "variants": {"tables": [], "quirks": []},
}
OVERRIDES = [f"{key}={json.dumps(value)}" for key, value in FEW.items()]
TARGET = "results/smoke/glmd/scores.csv"


def start(tree, *arguments, seeds="seeds=[1]"):
    """Snakemake in a process group of its own, which holds its jobs, too."""
    return subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "snakemake"), TARGET, "--cores", "2"),
            *("--config", "scale=smoke", *OVERRIDES, seeds, *arguments),
        ],
        cwd=tree.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree.folder / "src")},
    )


def ended(running):
    """Its exit code and all that it printed."""
    printed = running.communicate()[0]
    return running.returncode, printed


def until(running, pattern, folder):
    """Wait until there is such a file; fail where the run ends before."""
    while not list(folder.glob(pattern)):
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.02)


def contents(root):
    """Bytes of what stages publish, but for run cards, which name commands and code."""
    files = [*(root / "stages").rglob("*"), root / "glmd" / "scores.csv"]
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if path.is_file() and path.name not in ("card.json", ".snakemake_timestamp")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same stages made by the library, in this process."""
    prepare_process(1)
    plan = Plan(load("smoke", FEW), tmp_path_factory.mktemp("undisturbed"))
    for step in steps_of(plan).values():
        step.work(plan)
    return contents(plan.layout.root)


@pytest.fixture
def read_only(tree):
    """The results folder without the right to write; for root, who may write everywhere, by its mount."""
    folder = tree.folder / "results"
    folder.mkdir()
    if os.geteuid() == 0:
        bind = ["mount", "--bind", str(folder), str(folder)]
        if subprocess.run(bind, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_read_only_results_folder_is_one_line(tree, read_only):
    code, printed = ended(start(tree))
    assert code == 1 and "Traceback" not in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("error: "))
    assert "results/smoke/configs/" in line and "or name another place and run again" in line


def test_a_workflow_that_is_killed_and_started_twice_ends_with_the_same_bytes(tree, undisturbed):
    running = start(tree)
    until(running, "stages/*.pre.*/model.safetensors", tree.results)
    os.killpg(running.pid, signal.SIGKILL)  # Snakemake and all its jobs
    running.communicate()

    code, printed = ended(start(tree))
    assert code != 0 and "Directory cannot be locked" in printed and "--unlock" in printed
    assert ended(start(tree, "--unlock"))[0] == 0

    running = start(tree)
    until(running, "stages/*.task.*/metrics.json", tree.results)
    os.killpg(running.pid, signal.SIGSTOP)
    # A second Snakemake with other values plans, and is refused to run: the first one notices nothing.
    (config,) = (tree.results / "configs").iterdir()
    before = config.read_bytes()
    code, printed = ended(start(tree, "--dry-run", seeds="seeds=[1,2]"))
    assert code == 0 and "distill_task" in printed
    code, printed = ended(start(tree, seeds="seeds=[1,2]"))
    assert code != 0 and "Directory cannot be locked" in printed
    assert config.read_bytes() == before and len(list((tree.results / "configs").iterdir())) == 2
    assert json.loads((tree.results / "config.json").read_text())["seeds"] == [1]
    os.killpg(running.pid, signal.SIGCONT)
    code, printed = ended(running)
    assert code == 0, printed
    assert contents(tree.results) == undisturbed
    assert not list((tree.results / ".scratch").glob("*"))

    # The configuration's file is another one with another seed, but that alone runs nothing again.
    planned = ended(start(tree, "--dry-run", seeds="seeds=[1,2]"))[1].split("Job stats:")[1]
    counts = [line.split() for line in planned.splitlines() if line and line.split()[-1].isdigit()]
    assert counts == [["distill_task", "1"], ["scores", "1"], ["total", "2"]]

    # Files from the future, as after a clock that was set back: nothing runs again, and what is made from
    # them is not thrown away, as Snakemake would do with it.
    tomorrow = time.time() + 86400
    for path in (tree.results / "stages").rglob("*"):
        os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
    for path in tree.results.glob("signals/*/.snakemake_timestamp"):
        os.utime(path, (tomorrow, tomorrow))
    assert "Nothing to be done" in ended(start(tree, "--dry-run"))[1]
    (student,) = tree.results.glob("stages/S1.task.*/metrics.json")
    student.unlink()
    (tree.results / "glmd" / "scores.csv").unlink()
    code, printed = ended(start(tree))
    assert code == 0 and "older modification time" not in printed, printed
    assert contents(tree.results) == undisturbed
