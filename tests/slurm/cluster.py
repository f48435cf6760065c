"""A real SLURM on this machine: one node that claims GPUs, started and stopped by tests.

Everything is private: configuration, keys, sockets, ports, state. Nothing outside its folder is written, so
several can run at a time and none is in the way of a SLURM that the machine has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# Neither cgroups nor a database: a container has none.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
KillWait=15
OverTimeLimit=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=200000 Gres=gpu:a100:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=2-0
PartitionName=gpu Nodes={host} MaxTime=2-0
"""


def missing() -> str | None:
    """Why no SLURM can be started here; ``None`` if one can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return f"not installed: {', '.join(absent)} (see .ci/run)" if absent else None


class Cluster:
    """One node that claims ``cpus`` processors and ``gpus`` A100s, however few the machine has."""

    def __init__(self, folder: Path, cpus: int, gpus: int) -> None:
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir(parents=True)
        at = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.environment = os.environ | at | {"PATH": f"{folder}/bin{os.pathsep}{PATH}"}
        # The plugin calls srun without SLURM_CONF.
        script = f'#!/bin/sh\nSLURM_CONF={at["SLURM_CONF"]} exec {shutil.which("srun", path=PATH)} "$@"\n'
        (folder / "bin" / "srun").write_text(script)
        (folder / "bin" / "srun").chmod(0o755)
        values = {"folder": folder, "host": self.host, "cpus": cpus, "gpus": gpus, "ports": free_ports(2)}
        (folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        devices = f"{folder}/gpu[0-{gpus - 1}]" if gpus > 1 else f"{folder}/gpu0"
        (folder / "gres.conf").write_text(f"Name=gpu Type=a100 File={devices}\n")
        for number in range(gpus):
            make_device(folder / f"gpu{number}")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def start(self) -> None:
        """Start munge, controller and node; wait until the node takes jobs."""
        at = self.folder
        # By force: root alone talks to it, so its folder need not be open to all.
        self._daemon(
            "munged", "--force", f"--socket={at}/munge.socket", f"--key-file={at}/munge.key",
            f"--pid-file={at}/munged.pid", f"--log-file={at}/munged.log", f"--seed-file={at}/munged.seed",
        )  # fmt: skip
        self._daemon("slurmctld", "-c")
        self.start_node()

    def start_node(self) -> None:
        """Start the node (again) and wait until it takes jobs."""
        self._daemon("slurmd", "-c")
        wait_for(lambda: self.run("sinfo", "-h", "-o", "%T") in ("idle\n", "mixed\n"), 30, self._why)

    def stop(self) -> None:
        """End all jobs, then all daemons."""
        if self._process("slurmctld"):
            self.run("scancel", "--signal=KILL", "--user=root", check=False)
            self.run("scancel", "--user=root", check=False)
            wait_for(lambda: not self.run("squeue", "-h", check=False), 30, self._why)
        for name in ("slurmd", "slurmctld", "munged"):
            self.kill(name, signal.SIGTERM)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Signal a daemon and wait for its end."""
        process = self._process(name)
        if process is not None:
            os.kill(process, number)
            wait_for(lambda: not alive(process), 30, lambda: f"{name} does not end")

    def lose_node(self) -> None:
        """The node is gone with all that ran on it, and the controller comes to know."""
        ours = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        jobs = {process for process in processes() if {ours, b"SLURM_JOB_ID"} <= environment_of(process)}
        above = {parent for process in jobs for parent in ancestors(process)}
        watchers = [process for process in above if name_of(process) == "slurmstepd"]
        assert watchers, "nothing runs on the node"
        self.kill("slurmd")
        for process in [*watchers, *jobs]:  # watchers first, or they would report the end of their jobs
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.run("scontrol", "update", f"nodename={self.host}", "state=down", "reason=lost")

    def states(self) -> dict[str, str]:
        """The state of every job since the start, by its id."""
        return dict(
            line.split() for line in self.run("squeue", "-h", "-t", "all", "-o", "%i %T").splitlines()
        )

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints."""
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or ended.returncode == 0, f"{command}: {ended.stderr}"
        return ended.stdout

    def _daemon(self, *command: str) -> None:
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{command}: {ended.stderr}{self._why()}"

    def _process(self, name: str) -> int | None:
        path = self.folder / f"{name}.pid"
        text = path.read_text().strip() if path.is_file() else ""
        return int(text) if text and alive(int(text)) else None

    def _why(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}" for path in logs)


def make_device(path: Path) -> None:
    """Something that SLURM takes for a GPU: a device like ``/dev/null``, else a plain file."""
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:  # a container may not make devices; then only CUDA_VISIBLE_DEVICES stays unset
        path.touch()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def processes() -> list[int]:
    """Ids of all processes of this machine."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def read(process: int, file: str) -> bytes:
    """A file that the kernel has on a process; nothing if it has ended or is none of ours."""
    try:
        return Path(f"/proc/{process}/{file}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def alive(process: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    state = read(process, "stat").rpartition(b")")[2].split()[:1]
    return bool(state) and state[0] not in (b"Z", b"X")


def name_of(process: int) -> str:
    """Name of its program."""
    return read(process, "comm").decode().strip()


def environment_of(process: int) -> set[bytes]:
    """What it was started with: entries, and names alone."""
    entries = read(process, "environ").split(b"\0")
    return {*entries, *(entry.partition(b"=")[0] for entry in entries)}


def ancestors(process: int) -> list[int]:
    """Its parent and all above."""
    found = []
    while process > 1 and (fields := read(process, "stat").rpartition(b")")[2].split()):
        process = int(fields[1])
        found.append(process)
    return found


def wait_for(done: Callable[[], object], seconds: float, why: Callable[[], str]) -> None:
    """Wait until something holds; fail with a reason if it takes too long."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, why()
        time.sleep(0.1)
