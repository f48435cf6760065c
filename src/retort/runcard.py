"""Run cards: beside every trained artefact, what made it, what it cost, how to make it again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import resource
import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from retort.errors import InputError
from retort.files import digest_of, read_json, recorded_hash, write_json
from retort.revision import Revision, revision

VERSION = 2
"""Format of the card; raised when a field changes its meaning."""

RERUN = "python scripts/rerun.py card.json"
"""On every card: makes the run again from the card and the repository alone (:mod:`retort.rerun`)."""


class Stopwatch:
    """Processor time, user and system, of this process and all its threads, lap by lap."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def lap(self) -> float:
        """Seconds since the last lap, or since the start."""
        before, self._last = self._last, time.process_time()
        return self._last - before


@dataclass(frozen=True)
class Cost:
    """What a run took, all its processes together (a resumed run has several).

    Attributes:
        started: seconds since 1970 at the first start.
        seconds: wall time of its updates.
        processor_seconds: user and system time of all from its start on, evaluations included.
        steps: updates; ``tokens``: tokens trained on, padding left out.
        processes: that ran at the same time, each on a device; the card tells device and memory of the first.
    """

    started: float
    seconds: float
    processor_seconds: float
    steps: int
    tokens: int
    processes: int = 1


@dataclass(frozen=True)
class Request:
    """What a process was asked to do and with which sources, taken down before it begins.

    Attributes:
        config: the resolved configuration as JSON data.
        recipes: text of the user's own recipe file; ``None``: there is none.
        revision: of the sources.
        command: as it was given.
    """

    config: Mapping[str, Any]
    recipes: str | None
    revision: Revision
    command: Sequence[str]

    @classmethod
    def made_now(cls, config: Mapping[str, Any]) -> Self:
        """The request behind this process."""
        path = config.get("recipes")
        recipes = None if path is None else Path(path).read_text(encoding="utf-8")
        return cls(config, recipes, revision(), ("python", *sys.argv))


@dataclass(frozen=True)
class Origin:
    """What a run was made from.

    Attributes:
        stage: the resolved stage as JSON data.
        code: fingerprint of the code the stage needs.
        texts: folders of the encoded data it stands on; the card holds the hash of each raw file behind them.
        inputs: files and folders it read; the card holds the recorded hash of each file.
        request: what its process was asked.
    """

    stage: Mapping[str, Any]
    code: str
    texts: Sequence[Path]
    inputs: Iterable[Path]
    request: Request


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
        _described(origin)
        | {
            "device": describe_device(device),
            "processes": cost.processes,
            "started": _utc(cost.started),
            "finished": _utc(max(cost.started, time.time())),  # the clock may have been set back
            "seconds": round(cost.seconds, 3),
            "processor_seconds": round(cost.processor_seconds, 3),
            "steps": cost.steps,
            "tokens": cost.tokens,
            "tokens_per_second": round(cost.tokens / cost.seconds, 1) if cost.seconds else None,
            "peak_memory_mib": peak_memory(device),
            "results": dict(results),
        },
    )


def _described(origin: Origin) -> dict[str, Any]:
    """What the artefact was made from, and with."""
    request = origin.request
    return {
        "version": VERSION,
        "stage": dict(origin.stage),
        "config": dict(request.config),
        "config_digest": digest_of(request.config),
        "recipes": request.recipes,
        "code": origin.code,
        "data": data_hashes(origin.texts),
        "inputs": _hashes(origin.inputs),
        "command": shlex.join(request.command),
        "rerun": RERUN,
        "git_commit": request.revision.commit,
        "git_changes": request.revision.changes,
        "packages": package_versions(),
        "python": platform.python_version(),
    }


def data_hashes(texts: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of the raw data files behind encoded data, by folder and name alone: ``RTE/train.jsonl``."""
    known = [read_json(text / "summary.json")["sha256"] for text in texts]
    return {"/".join(Path(name).parts[-2:]): sha for found in known for name, sha in found.items()}


FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("stage", "packages", "device", "peak_memory_mib", "results"), dict),
    **dict.fromkeys(("code", "python", "started", "finished"), str),
    **dict.fromkeys(("seconds", "steps", "tokens"), (int, float)),
    **dict.fromkeys(("git_commit",), (str, type(None))),
    **dict.fromkeys(("tokens_per_second",), (int, float, type(None))),
}
"""What everybody reads of a card."""

RERUN_FIELDS: dict[str, type | tuple[type, ...]] = {
    **FIELDS,
    **dict.fromkeys(("config", "data", "inputs"), dict),
    **dict.fromkeys(("git_changes",), str),
    **dict.fromkeys(("recipes",), (str, type(None))),
}
"""What making a run again reads of its card (:mod:`retort.rerun`)."""


def read_card(path: Path, fields: Mapping[str, type | tuple[type, ...]] = FIELDS) -> dict[str, Any]:
    """Read what :func:`write_card` wrote.

    Args:
        path: of the JSON file.
        fields: those that the reader needs, with their types.

    Raises:
        InputError: no JSON, no card, another version's card, or a field that is missing or of another type.
    """
    card = read_json(path)
    if not isinstance(card, dict) or "version" not in card:
        raise InputError(
            f"{path}: no run card of version {VERSION}; name the card.json of a run, or train its stage again"
        )
    if card["version"] != VERSION:
        command = card.get("command")
        again = f": {command}" if isinstance(command, str) and command.isprintable() else ""
        raise InputError(
            f"{path}: no run card of version {VERSION}; remove the stage's folder and train it again{again}"
        )
    for name, kind in fields.items():
        if not isinstance(card.get(name, ...), kind):
            raise InputError(f"{path}: field '{name}' is missing or malformed; train this stage again")
    return card


def _hashes(inputs: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file as it was recorded when it was made, folders opened."""
    found: dict[str, str] = {}
    for path in sorted(map(Path, inputs)):
        if not path.exists():
            raise InputError(f"{path}: no such file; the run card needs all inputs to be there still")
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        found |= {str(file): recorded_hash(file) for file in files}
    return found


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that this project names as its dependencies.

    An environment that holds only what one step needs lacks some; one that has the project's sources
    on its path, without their metadata, gives all that is installed.
    """
    try:
        lines = importlib.metadata.requires("retort") or []
    except importlib.metadata.PackageNotFoundError:
        return dict(sorted((found.name, found.version) for found in importlib.metadata.distributions()))
    found = {}
    for name in sorted(
        {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line}
    ):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


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


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
