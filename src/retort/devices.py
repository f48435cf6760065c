"""The GPUs of this machine, shared out among the jobs that run side by side on it.

Snakemake counts GPU jobs, but tells none which device is its own, and two runs on one machine know nothing
of each other. So each process claims its device itself, by a lock that the operating system frees when the
process ends, however it ends.

Devices are told apart by UUID, as `nvidia-smi -L` lists them: it is there wherever the driver is, needs no
torch (which the Snakefile must not import), starts CUDA in no process of ours, and names the instances of a
GPU that is split (MIG), which torch's own count without CUDA does not.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.errors import InputError, RetortError

FOLDER = Path("/tmp") / f"retort-{os.getuid()}"
"""Locks of this user on this machine. Not in XDG_RUNTIME_DIR, which is emptied when its user logs out,
background jobs or not, and not in TMPDIR, which may differ from one shell to the next."""

_LINE = re.compile(r"(?P<kind>GPU|\s+MIG) .*\(UUID: (?P<uuid>[^)\s]+)\)")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL = 0.2
_PATIENCE = 1.0
"""Seconds: between two looks at taken devices, and until a job says that it waits behind others."""

_LISTING = 60.0
"""Seconds that `nvidia-smi -L` may take: some for each GPU, where no process keeps the driver awake."""


@dataclass(frozen=True)
class Claim:
    """Devices that are this process's own until it ends.

    Attributes:
        devices: their UUIDs.
        files: descriptors of the locks. A process that starts workers hands them on (``pass_fds``), so that
            the devices stay taken until the last worker has ended.
    """

    devices: tuple[str, ...]
    files: tuple[int, ...]

    def release(self) -> None:
        """Give the devices back before the process ends."""
        for file in self.files:
            os.close(file)


def visible() -> tuple[str, ...]:
    """UUIDs of the devices that this process may use: all, or those that CUDA_VISIBLE_DEVICES leaves it.

    That variable is read as CUDA reads it: numbers or (abbreviated) UUIDs, and what follows a name that no
    device has does not count (so ``NoDevFiles``, which SLURM sets in jobs without a GPU, means none). Numbers
    are those of `nvidia-smi`. A GPU that is split stands for all its instances.

    Raises:
        RetortError: the driver hangs. Were that taken for no GPU, a run would go on, unnoticed, on the CPU.
    """
    program = shutil.which("nvidia-smi")
    gpus = {} if program is None else _parsed(_listing(program))
    chosen = os.environ.get(_VISIBLE)
    if chosen is None:
        return tuple(device for devices in gpus.values() for device in devices)
    found: dict[str, None] = {}
    for name in map(str.strip, chosen.split(",")):
        devices = _named(name, gpus)
        if not devices:
            break
        found |= dict.fromkeys(devices)
    return tuple(found)


def _listing(program: str) -> str:
    """What `nvidia-smi -L` prints; nothing where it fails, as its driver does not run: there is no GPU."""
    process = subprocess.Popen([program, "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        listed, _ = process.communicate(timeout=_LISTING)
    except subprocess.TimeoutExpired:
        # Not subprocess.run, which waits for the end of what it kills: inside a hanging driver nothing ends.
        process.kill()
        raise RetortError(
            f"{program} -L: no answer in {_LISTING:g} s, the driver hangs; reset or restart the machine, "
            "or set device to cpu"
        ) from None
    return listed if process.returncode == 0 else ""


def _parsed(listing: str) -> dict[str, list[str]]:
    """The devices of each GPU: its instances where it is split, else itself."""
    found: dict[str, list[str]] = {}
    for line in filter(None, map(_LINE.match, listing.splitlines())):
        if line["kind"] == "GPU":
            gpu = line["uuid"]
            found[gpu] = [gpu]
        else:
            found[gpu] = [*(device for device in found[gpu] if device != gpu), line["uuid"]]
    return found


def _named(name: str, gpus: dict[str, list[str]]) -> list[str]:
    """The devices that one entry of CUDA_VISIBLE_DEVICES names; none where no single one answers to it."""
    if name.isdigit():
        return list(gpus.values())[int(name)] if int(name) < len(gpus) else []
    units = gpus | {device: [device] for devices in gpus.values() for device in devices if device not in gpus}
    matching = [devices for uuid, devices in units.items() if name and uuid.startswith(name)]
    return matching[0] if len(matching) == 1 else []


def places(jobs_per_gpu: int) -> int:
    """Jobs that the GPUs of this machine take at the same time; 0 where jobs run on the CPU.

    Snakemake may live in an environment without torch; jobs are then taken to have one that knows GPUs.
    """
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return len(visible()) * jobs_per_gpu
    # Importing torch takes seconds; this file of it says for which CUDA it was built.
    built_for = runpy.run_path(str(Path(found.origin).with_name("version.py")))["cuda"]
    return 0 if built_for is None else len(visible()) * jobs_per_gpu


def claim(devices: Sequence[str], count: int, jobs_per_gpu: int) -> Claim:
    """Make ``count`` of the devices this process's own, as soon as so many have room; CUDA sees only them.

    To be called before CUDA starts in this process. All devices are taken at once or none, and those who
    wait do so in one queue: nobody keeps a device while waiting, and nobody is overtaken for ever.

    Args:
        devices: UUIDs to choose from, see :func:`visible`.
        count: of devices.
        jobs_per_gpu: most jobs on one device, this one included. Jobs that allow fewer beside themselves
            are respected.

    Raises:
        InputError: there are fewer devices than asked for.
    """
    if count > len(devices):
        raise InputError(
            f"{count} GPUs are asked for, {len(devices)} can be used here; ask for fewer, or widen {_VISIBLE}"
        )
    folder = _lock_folder()
    queue = os.open(folder / "queue", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        said = _enter(queue)
        while True:
            users = {device: _users(folder, device) for device in devices}
            free = [device for device in devices if _has_room(users[device], jobs_per_gpu)]
            if len(free) >= count:
                break
            if not said:
                pids = sorted({pid for found in users.values() for pid, _ in found})
                _say(f"all {len(devices)} are taken, by processes {', '.join(map(str, pids))}")
                said = True
            time.sleep(_POLL)
        chosen = sorted(free, key=lambda device: len(users[device]))[:count]
        files = [_take(folder, device, jobs_per_gpu) for device in chosen]
    finally:
        os.close(queue)
    os.environ[_VISIBLE] = ",".join(chosen)
    return Claim(tuple(chosen), (*files, _keep(folder)))


def _lock_folder() -> Path:
    """The folder of the locks.

    Raises:
        RetortError: it belongs to somebody else.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    if FOLDER.is_symlink() or FOLDER.stat().st_uid != os.getuid():
        raise RetortError(f"{FOLDER}: belongs to somebody else; remove it, locks of GPUs are kept there")
    return FOLDER


def _keep(folder: Path) -> int:
    """Lock the folder as such, for systemd's cleaner of old files passes over what is locked."""
    file = os.open(folder, os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _enter(queue: int) -> bool:
    """Become the one process that looks for devices; whether it was said that this takes a while."""
    patient_until = time.monotonic() + _PATIENCE
    while time.monotonic() < patient_until:
        if _locked(queue):
            return False
        time.sleep(_POLL / 4)
    _say("others wait for one, too")
    fcntl.flock(queue, fcntl.LOCK_EX)
    return True


def _say(reason: str) -> None:
    print(f"waiting for a GPU: {reason}", file=sys.stderr, flush=True)


def _has_room(users: Sequence[tuple[int, int]], jobs_per_gpu: int) -> bool:
    return len(users) < min([jobs_per_gpu, *(limit for _, limit in users)])


def _users(folder: Path, device: str) -> list[tuple[int, int]]:
    """Process and limit of each job on a device; what dead ones left is removed. To be asked by the head."""
    found = []
    for path in sorted(folder.glob(f"{_file_name(device)}.*")):
        file = os.open(path, os.O_RDWR)
        try:
            if _locked(file):
                path.unlink()
            else:
                pid, limit = path.read_text(encoding="ascii").split()
                found.append((int(pid), int(limit)))
        finally:
            os.close(file)
    return found


def _take(folder: Path, device: str, jobs_per_gpu: int) -> int:
    """Lock a new file of a device for the rest of this process. To be done by the head of the queue."""
    file, _ = tempfile.mkstemp(prefix=f"{_file_name(device)}.", dir=folder)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.write(file, f"{os.getpid()} {jobs_per_gpu}\n".encode("ascii"))
    return file


def _file_name(device: str) -> str:
    return device.replace("/", "_")


def _locked(file: int) -> bool:
    """Try to lock a file; whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
