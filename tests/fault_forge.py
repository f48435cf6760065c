"""The parent of accidents: has steps of the small world done, killed and done again, and compares."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fault_process
from fault_world import STEPS, plan_in

from retort.files import sha256_of

VOLATILE = {"started", "finished", "seconds", "processor_seconds", "tokens_per_second", "peak_memory_mib"}
"""What run cards hold of time and memory: all that may differ between two runs of the same thing."""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: its exit code (negative: the signal), what it said last and what it printed."""

    code: int
    said: dict[str, Any]
    printed: str


class Forge:
    """Has steps done in forked processes, in one folder, so that even absolute paths are the same."""

    def __init__(self, folder: Path) -> None:
        self.base, self.live, self.log = folder / "base", folder / "live", folder / "log.txt"
        self.live.mkdir()
        self.plan = plan_in(self.live)
        self.seconds: dict[str, float] = {}
        self.changes: dict[str, int] = {}
        self._contents: dict[str, str] = {}
        self._server = subprocess.Popen(
            [sys.executable, fault_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def close(self) -> None:
        """End the process that forks."""
        self._server.communicate()

    def attempt(self, step: str, kill_after: float | None = None, **settings: Any) -> Ended:
        """One attempt at a step in ``live``; killed so many seconds after it has begun."""
        self.log.write_text("")
        request = {"step": step, "results": str(self.live), "kill_after": kill_after, "log": str(self.log)}
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request | settings) + "\n")
        self._server.stdin.flush()
        return Ended(**json.loads(self._server.stdout.readline()), printed=self.log.read_text())

    def make_base(self) -> None:
        """Every step undisturbed, once; how long each took and how often it changed the file system."""
        for name in STEPS:
            ended = self.attempt(name)
            assert ended.code == 0, ended.printed
            self.seconds[name], self.changes[name] = ended.said["seconds"], ended.said["changes"]
        self.live.rename(self.base)
        self.live.mkdir()
        self._contents = contents(self.base)

    def without(self, step: str, copy: Callable[[str, str], Any] = os.link) -> None:
        """All in ``live`` again but what a step leaves (files are shared: none is ever written into)."""
        for path in self.live.iterdir():  # it may be where a disk is mounted
            shutil.rmtree(path)
        shutil.copytree(self.base, self.live, copy_function=copy, dirs_exist_ok=True)
        kept = [self.plan.layout.root / ".finished"]  # what was finished before would be taken again
        for path in (*STEPS[step].leaves(self.plan), *(path for path in kept if path.exists())):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def differences(self) -> list[str]:
        """Files that are not what the undisturbed run left: surplus, missing or other bytes."""
        ours, theirs = contents(self.live), self._contents
        return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file and target of every link below a folder, hidden ones included.

    Left out: status files and leases of running jobs, second names of published files (``.finished``), and
    of run cards the fields in :data:`VOLATILE`.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name == ".progress" or {".finished", ".leases"} & set(path.parts):
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
