"""Run cards: beside every trained artefact, what made it and what it cost."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retort.errors import InputError
from retort.files import read_json, sha256_of, write_json

VERSION = 1
"""Format of the card; raised when a field changes its meaning."""


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        started: seconds since 1970 at the first start.
        seconds: wall time of all its processes together (a resumed run has several).
        steps: updates; ``tokens``: tokens trained on, padding left out.
    """

    started: float
    seconds: float
    steps: int
    tokens: int


@dataclass(frozen=True)
class Origin:
    """What a run was made from.

    Attributes:
        stage: the resolved stage as JSON data.
        config_digest: digest of the resolved configuration.
        code: fingerprint of the code the stage needs.
        inputs: files and folders it read; the card holds the hash of each file.
        command: the command that runs it again.
    """

    stage: Mapping[str, Any]
    config_digest: str
    code: str
    inputs: Iterable[Path]
    command: Sequence[str] = field(default_factory=lambda: (sys.executable, *sys.argv))


def write_card(path: Path | str, origin: Origin, cost: Cost, device: str, results: Mapping[str, Any]) -> None:
    """Write the card atomically.

    Args:
        path: of the JSON file.
        origin: what the artefact was made from.
        cost: what it took.
        device: ``"cpu"`` or ``"cuda"``, as torch calls it.
        results: numbers worth keeping with the artefact (last loss, best score), JSON data.

    Raises:
        InputError: an input file is missing.
    """
    write_json(
        path,
        {
            "version": VERSION,
            "stage": dict(origin.stage),
            "config_digest": origin.config_digest,
            "code": origin.code,
            "inputs": _hashes(origin.inputs),
            "command": shlex.join(origin.command),
            "git_commit": git_commit(Path(__file__).resolve().parent),
            "packages": package_versions(),
            "python": platform.python_version(),
            "device": describe_device(device),
            "started": _utc(cost.started),
            "finished": _utc(time.time()),
            "seconds": round(cost.seconds, 3),
            "steps": cost.steps,
            "tokens": cost.tokens,
            "tokens_per_second": round(cost.tokens / cost.seconds, 1) if cost.seconds else None,
            "peak_memory_mib": peak_memory(device),
            "results": dict(results),
        },
    )


FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("stage", "packages", "device", "peak_memory_mib", "results"), dict),
    **dict.fromkeys(("code", "python", "started", "finished"), str),
    **dict.fromkeys(("seconds", "steps", "tokens"), (int, float)),
    **dict.fromkeys(("git_commit",), (str, type(None))),
    **dict.fromkeys(("tokens_per_second",), (int, float, type(None))),
}
"""What every card of this version has."""


def read_card(path: Path) -> dict[str, Any]:
    """Read what :func:`write_card` wrote.

    Raises:
        InputError: no JSON, another version's card, or a field that is missing or of another type.
    """
    card = read_json(path)
    if not isinstance(card, dict) or card.get("version") != VERSION:
        raise InputError(
            f"{path}: no run card of version {VERSION}; remove the stage's folder and train it again"
        )
    for name, kind in FIELDS.items():
        if not isinstance(card.get(name, ...), kind):
            raise InputError(f"{path}: field '{name}' is missing or malformed; train this stage again")
    return card


def _hashes(inputs: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, folders opened."""
    found: dict[str, str] = {}
    for path in sorted(map(Path, inputs)):
        if not path.exists():
            raise InputError(f"{path}: no such file; the run card needs all inputs to be there still")
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        found |= {str(file): sha256_of(file) for file in files}
    return found


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that this project names as its dependencies.

    An environment that holds only what one step needs lacks some; one that has the project's sources
    on its path, without their metadata, gives all that is installed.
    """
    installed = {found.name: found.version for found in importlib.metadata.distributions()}
    if "retort" not in installed:
        return dict(sorted(installed.items()))
    lines = importlib.metadata.requires("retort") or []
    named = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line}
    return {name: version for name, version in sorted(installed.items()) if name in named}


def describe_device(device: str) -> dict[str, Any]:
    """Kind and name of the device, and the threads torch may use."""
    torch = sys.modules.get("torch")
    name = torch.cuda.get_device_name() if device.startswith("cuda") and torch else processor_name()
    threads = torch.get_num_threads() if torch else os.cpu_count()
    return {"kind": device, "name": name, "threads": threads}


def processor_name() -> str:
    """The processor's name as the operating system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory(device: str) -> dict[str, float]:
    """Largest memory of this process so far in MiB: resident, and on the GPU where one is used."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    peak = {"resident": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)}
    torch = sys.modules.get("torch")
    if torch and device.startswith("cuda"):
        peak["gpu"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return peak


def git_commit(folder: Path) -> str | None:
    """Hash of the commit that is checked out around ``folder``; ``None`` outside a git repository.

    Read from git's own files: no git program is needed, and none can fail.
    """
    top = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if top is None:
        return None
    git = top / ".git"
    if git.is_file():  # a worktree or submodule: one line "gitdir: <folder>"
        git = top / git.read_text(encoding="utf-8").partition(":")[2].strip()
    head = _first_line(git / "HEAD")
    if not head.startswith("ref:"):
        return head or None
    reference = head.partition(":")[2].strip()
    shared = git / _first_line(git / "commondir")
    loose = _first_line(git / reference) or _first_line(shared / reference)
    return loose or _packed(shared / "packed-refs", reference)


def _packed(file: Path, reference: str) -> str | None:
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    return None


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].strip() if file.is_file() else ""


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
