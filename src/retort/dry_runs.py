"""How long Snakemake plans: the paper's whole search before anything is made, a pocket run when all is."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.config.loading import REPOSITORY

PARTS = ("Snakefile", "config.yaml", "rules", "config", "envs", "profiles", "resources", "scripts", "src")
_FOLDERS = ("tasks", "signals")
_LARGE = 2_000_000
"""Bytes of a made-up model: too many for Snakemake to take a checksum of."""


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock, seconds of a processor, MiB at most."""

    wall: float
    processor: float
    memory: float


class Checkout:
    """A folder that looks like the repository, with results of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in PARTS:
            (folder / name).symlink_to(REPOSITORY / name)

    def snakemake(self, *arguments: str, check: bool = True) -> tuple[Cost, str]:
        """Run it; what it took, and what it printed.

        Raises:
            CalledProcessError: it failed, and that is checked.
        """
        command = [str(Path(sys.executable).parent / "snakemake"), "all", "--cores", "1", *arguments]
        printed = self.folder / "printed.txt"
        started = time.perf_counter()
        with printed.open("w", encoding="utf-8") as stream:
            child = subprocess.Popen(command, cwd=self.folder, stdout=stream, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if check and child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB on Linux
        cost = Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit)
        return cost, printed.read_text(encoding="utf-8")

    def pretend(self, *arguments: str) -> int:
        """Make up all results, so that Snakemake takes the run for finished; how many files."""
        rows = list(csv.DictReader(self.snakemake(*arguments, "--summary")[1].splitlines(), delimiter="\t"))
        for row in rows:
            path = self.folder / row["output_file"]
            if {path.name, path.parent.name} & set(_FOLDERS):
                path = path / "anything"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b" " * (_LARGE if path.suffix == ".safetensors" else 1))
        # At the end a run shows its scores; these are none.
        self.snakemake(*arguments, "--touch", "--quiet", "all", check=False)
        return len(rows)


def unmade(folder: Path, arguments: Sequence[str]) -> Cost:
    """A dry run where nothing is made."""
    return Checkout(folder).snakemake(*arguments, "--dry-run", "--quiet", "all")[0]


def finished(folder: Path, arguments: Sequence[str]) -> Cost:
    """A dry run where all is made."""
    checkout = Checkout(folder)
    checkout.pretend(*arguments)
    cost, printed = checkout.snakemake(*arguments, "--dry-run")
    if "Nothing to be done" not in printed:
        raise RuntimeError("a finished run is not taken for one")
    return cost
