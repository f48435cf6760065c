"""One real run of the smallest scale, in a folder of its own, shared by all tests of the workflow."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

LINKED = ("Snakefile", "rules", "config", "config.yaml", "envs", "profiles", "resources")
COPIED = ("scripts", "src")


Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Tree:
    """A working directory like a clone, with its own sources and results."""

    folder: Path

    def snakemake(self, *arguments: str, target: str = "all", more: Sequence[str] = ()) -> Ended:
        """Run Snakemake as a user would, for one target or more."""
        command = ["snakemake", target, *more, "--cores", "2", "--config", "scale=smoke", *arguments]
        return self.run(str(Path(sys.executable).parent / command[0]), *command[1:])

    def pending(self, *arguments: str, more: Sequence[str] = (), target: str = "all") -> dict[str, str]:
        """What a run would make: rule by file, as Snakemake tells machines."""
        ended = self.snakemake(*arguments, "--summary", target=target, more=more)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        head, *lines = csv.reader(ended.stdout.splitlines(), delimiter="\t")
        rows = [dict(zip(head, line, strict=True)) for line in lines]
        return {row["output_file"]: row["rule"] for row in rows if row["plan"] == "update pending"}

    def script(self, name: str, *arguments: str) -> Ended:
        """Run a script by hand."""
        return self.run(sys.executable, f"scripts/{name}.py", *arguments)

    def run(self, *command: str) -> Ended:
        """Run any command in the tree, one thread a process."""
        # Its own sources come before those that are installed, so that tests can change them.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.folder / "src")}
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, env=environment
        )

    @property
    def results(self) -> Path:
        """Results of the smoke scale."""
        return self.folder / "results" / "smoke"

    def copy(self, folder: Path) -> Tree:
        """The same tree elsewhere, results and Snakemake's memory of them included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Tree(folder)


def make_tree(root: Path, folder: Path) -> Tree:
    folder.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    for name in COPIED:
        shutil.copytree(
            root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    return Tree(folder)


@pytest.fixture(scope="session")
def new_tree(root) -> Callable[[Path], Tree]:
    """Makes a working directory without results."""
    return lambda folder: make_tree(root, folder)


@pytest.fixture
def tree(root, tmp_path) -> Tree:
    """A working directory without results."""
    return make_tree(root, tmp_path / "clone")


@dataclass(frozen=True)
class Run:
    """A finished run: where, and what it printed."""

    tree: Tree
    printed: str


@pytest.fixture(scope="session")
def smoke(root, tmp_path_factory) -> Run:
    """The finished smoke scale. Read it; change only copies."""
    made = make_tree(root, tmp_path_factory.mktemp("workflow") / "clone")
    ended = made.snakemake()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return Run(made, ended.stdout + ended.stderr)


@pytest.fixture(scope="session")
def clone(smoke, root, tmp_path_factory) -> Tree:
    """The finished run with sources, rules and resources of its own. Changed by tests, and changed back."""
    folder = tmp_path_factory.mktemp("reruns") / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("Snakefile", "config.yaml"):
        folder.mkdir(exist_ok=True)
        shutil.copy2(root / name, folder / name)
    for name in ("rules", "config", "resources", "scripts", "src", "envs", "profiles"):
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in ("results", ".snakemake"):  # links: nobody writes into a file that is there
        shutil.copytree(smoke.tree.folder / name, folder / name, symlinks=True, copy_function=os.link)
    return Tree(folder)
