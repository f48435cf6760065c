"""GPUs among real processes: never shared beyond the limit, freed by death, in order, without deadlock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retort import devices
from retort.config import load
from retort.devices import claim, places, visible
from retort.errors import InputError, RetortError
from retort.plan import Plan

ROOT = Path(__file__).parent.parent
LISTING = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaaa1111-0000)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-bbbb2222-0000)
  MIG 3g.40gb     Device  0: (UUID: MIG-cccc3333)
  MIG 3g.40gb     Device  1: (UUID: MIG-GPU-dddd4444/1/0)
GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-aabb5555-0000)
"""
WHOLE, OTHER = "GPU-aaaa1111-0000", "GPU-aabb5555-0000"
PARTS = ("MIG-cccc3333", "MIG-GPU-dddd4444/1/0")


# Which devices there are


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """``nvidia_smi(text)`` puts a program of that name onto PATH that prints the text."""

    def install(text: str, status: int = 0) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "listing").write_text(text)
        program = folder / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat "{folder}/listing"\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return folder

    return install


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (None, (WHOLE, *PARTS, OTHER)),
        ("2,0", (OTHER, WHOLE)),
        ("1", PARTS),
        ("GPU-aaaa", (WHOLE,)),
        ("GPU-aa", ()),  # two begin so
        ("MIG-GPU-dddd4444/1/0", (PARTS[1],)),
        ("0, 2", (WHOLE, OTHER)),
        ("0,7,2", (WHOLE,)),  # as CUDA does: what follows an unknown name does not count
        ("0,0", (WHOLE,)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
    ],
)
def test_visible_devices_are_those_that_cuda_would_see(nvidia_smi, monkeypatch, given, seen):
    nvidia_smi(LISTING)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible() == seen


def test_no_driver_is_no_device(nvidia_smi, monkeypatch, tmp_path):
    nvidia_smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", status=9)
    assert visible() == ()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert visible() == ()


def test_a_driver_that_hangs_is_told_and_not_waited_for(nvidia_smi, monkeypatch):
    """Inside the kernel it cannot even be killed, so whoever waits for its end hangs with it."""
    (nvidia_smi("") / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(devices, "_LISTING", 0.2)
    kill, asked = subprocess.Popen.kill, []
    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "kill", lambda process: asked.append(process))
        begun = time.monotonic()
        with pytest.raises(RetortError, match=r"nvidia-smi -L: no answer in 0.2 s, .* or set device to cpu"):
            visible()
    assert time.monotonic() - begun < 30
    (process,) = asked
    kill(process)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def fake_torch(folder: Path, cuda: str | None) -> None:
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("raise ImportError('planning must not import torch')\n")
    (folder / "torch" / "version.py").write_text(f"cuda = {cuda!r}\n")


@pytest.mark.parametrize(("cuda", "expected"), [("12.9", 8), (None, 0)])
def test_places_count_only_where_torch_knows_gpus(nvidia_smi, monkeypatch, tmp_path, cuda, expected):
    nvidia_smi(LISTING)
    fake_torch(tmp_path, cuda)
    spec = type("Spec", (), {"origin": str(tmp_path / "torch" / "__init__.py")})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert places(2) == expected
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None
    )  # jobs have an environment of their own
    assert places(2) == 8


def test_sharing_a_gpu_changes_no_stage():
    alone, shared = (Plan(load("smoke", {"jobs_per_gpu": number})) for number in (1, 6))
    assert list(alone.stages) == list(shared.stages)


# Claims

WORKER = """
import json, os, sys, time
from pathlib import Path
from retort import devices
devices.FOLDER, devices._POLL = Path(sys.argv[1]), 0.01
count, limit, seconds, names = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]
claimed = devices.claim(names or devices.visible(), count, limit)
assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(claimed.devices)
begun = time.monotonic()
print(json.dumps(claimed.devices), flush=True)
time.sleep(seconds)
print(json.dumps([begun, time.monotonic(), claimed.devices]), flush=True)
"""


class Machine:
    """Fake devices and the processes that claim them."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder, self.names = folder, names
        self.processes: list[subprocess.Popen] = []

    def start(self, count=1, limit=1, seconds=0.1) -> subprocess.Popen:
        arguments = [self.folder, count, limit, seconds, *self.names]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        self.processes.append(process)
        return process

    def ended(self, process: subprocess.Popen) -> tuple[float, float, list[str]]:
        """Begin, end and devices of a process."""
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return json.loads(out.splitlines()[-1])


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path / "locks", ("GPU-0", "GPU-1"))
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def claimed(process: subprocess.Popen) -> list[str]:
    """Wait until a process has its devices."""
    return json.loads(process.stdout.readline())


def waits(process: subprocess.Popen) -> str:
    """Wait until a process says that it waits; what it says."""
    line = process.stderr.readline()
    assert line.startswith("waiting for a GPU: ")
    return line


def most_at_once(spans, device):
    inside = [(begin, end) for begin, end, names in spans if device in names]
    return max((sum(b <= begin < e for b, e in inside) for begin, _ in inside), default=0)


@pytest.mark.parametrize("limit", [1, 2])
def test_devices_are_never_shared_beyond_the_limit(machine, limit):
    started = [machine.start(limit=limit, seconds=0.15) for _ in range(8)]
    spans = [machine.ended(process) for process in started]
    found = {device: most_at_once(spans, device) for device in machine.names}
    assert max(found.values()) <= limit
    assert set(found) == {device for *_, names in spans for device in names}


def test_a_free_device_is_preferred_to_a_shared_one(machine):
    found = [claimed(machine.start(limit=2, seconds=60)) for _ in range(4)]
    assert found[0] != found[1] and sorted(found) == [["GPU-0"]] * 2 + [["GPU-1"]] * 2


def test_death_frees_a_device_and_waiting_is_told_in_one_line(machine):
    holders = [machine.start(seconds=60) for _ in range(2)]
    for holder in holders:
        claimed(holder)
    waiter = machine.start(seconds=0)
    line = waits(waiter)
    assert all(str(holder.pid) in line for holder in holders)
    holders[1].send_signal(signal.SIGKILL)
    _, more = waiter.communicate(timeout=30)
    assert waiter.returncode == 0 and more == "" and holders[0].poll() is None


def test_a_waiting_process_that_dies_keeps_nobody(machine):
    holders = [machine.start(seconds=60) for _ in range(2)]
    for holder in holders:
        claimed(holder)
    first = machine.start(seconds=60)
    waits(first)
    second = machine.start(seconds=0)
    assert "others wait" in waits(second)
    first.kill()
    holders[0].kill()
    machine.ended(second)


def test_several_devices_come_at_once_and_without_deadlock(machine):
    machine.names = ("GPU-0", "GPU-1", "GPU-2")
    started = [machine.start(count=count, seconds=0.05) for count in (2, 3, 1, 2, 1, 3, 2)]
    spans = [machine.ended(process) for process in started]
    assert [len(set(names)) for *_, names in spans] == [2, 3, 1, 2, 1, 3, 2]
    assert all(most_at_once(spans, device) == 1 for device in machine.names)


def test_who_asks_for_many_is_not_overtaken_by_those_who_ask_for_one(machine):
    holder = machine.start(seconds=60)
    claimed(holder)
    pair = machine.start(count=2, seconds=0)
    waits(pair)
    single = machine.start(seconds=0)  # there is a free device, but the pair was first
    waits(single)
    holder.kill()
    assert machine.ended(pair)[1] < machine.ended(single)[0]


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1)])
def test_who_wants_a_device_alone_gets_it_alone_whatever_others_allow(machine, first, second):
    machine.names = ("GPU-0",)
    holder = machine.start(limit=first, seconds=60)
    claimed(holder)
    other = machine.start(limit=second, seconds=0)
    assert str(holder.pid) in waits(other)
    holder.kill()
    machine.ended(other)


def test_workers_keep_a_device_whose_claimant_has_died(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    made = claim(["GPU-0"], 1, 1)
    worker = subprocess.Popen(["sleep", "60"], pass_fds=made.files)
    try:
        made.release()
        assert len(devices._users(tmp_path, "GPU-0")) == 1
    finally:
        worker.kill()
        worker.wait()
    assert devices._users(tmp_path, "GPU-0") == []


def test_a_released_device_can_be_claimed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for _ in range(2):
        made = claim(PARTS, 2, 1)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(PARTS) and made.devices == PARTS
        made.release()


def test_more_devices_than_there_are_is_a_mistake(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="3 GPUs are asked for, 2 can be used here"):
        claim(("a", "b"), 3, 1)


def test_a_folder_of_somebody_else_is_not_trusted(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "mine").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(devices, "FOLDER", tmp_path / "mine")
    with pytest.raises(RetortError, match="mine: belongs to somebody else"):
        claim(("a",), 1, 1)


# With Snakemake

SNAKEFILE = """
from types import SimpleNamespace
settings = SimpleNamespace(device="auto", jobs_per_gpu=1)
include: "{root}/rules/devices.smk"
rule all:
    input: expand("{{n}}.json", n=range(4))
rule job:
    output: "{{n}}.json"
    resources: gpu=1
    shell: "{python} job.py {{wildcards.n}} {expected} > {{output}} 2> {{wildcards.n}}.err"
"""
JOB = """
import json, sys, time
from pathlib import Path
from retort import devices
devices.FOLDER = Path("locks")
claimed = devices.claim(devices.visible(), 1, 1)
begun = time.monotonic()
Path(f"{sys.argv[1]}.begun").touch()
while len(list(Path().glob("*.begun"))) < int(sys.argv[2]) and time.monotonic() < begun + 30:
    time.sleep(0.05)  # as many as may run at the same time do
time.sleep(0.3)
print(json.dumps([begun, time.monotonic(), claimed.devices]))
"""


def with_snakemake(tmp_path, text, *options):
    fake_torch(tmp_path / "packages", "12.9")
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "Snakefile").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "4", "--scheduler", "greedy", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path / "packages"), str(ROOT / "src")))},
    )


@pytest.mark.workflow
@pytest.mark.parametrize(("options", "expected"), [([], 2), (["--resources", "gpu=1"], 1)])
def test_snakemake_starts_as_many_jobs_as_there_are_devices(nvidia_smi, tmp_path, options, expected):
    nvidia_smi("GPU 0: A (UUID: GPU-one)\nGPU 1: A (UUID: GPU-two)\n")
    text = SNAKEFILE.format(root=ROOT, python=sys.executable, expected=expected)
    ended = with_snakemake(tmp_path, text, *options)
    assert ended.returncode == 0, ended.stderr
    spans = [json.loads((tmp_path / f"{n}.json").read_text()) for n in range(4)]
    assert all(most_at_once(spans, device) <= 1 for device in ("GPU-one", "GPU-two"))
    assert most_at_once([(begin, end, ["all"]) for begin, end, _ in spans], "all") == expected
    # Snakemake holds the others back: none of them waits for a device.
    assert not any((tmp_path / f"{n}.err").read_text() for n in range(4))


@pytest.mark.workflow
def test_a_driver_that_hangs_stops_snakemake_with_one_line(nvidia_smi, tmp_path):
    program = nvidia_smi("") / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 5\n")
    text = SNAKEFILE.format(root=ROOT, python=sys.executable, expected=1)
    ended = with_snakemake(tmp_path, "import retort.devices\nretort.devices._LISTING = 0.2\n" + text)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert "the driver hangs; reset or restart the machine" in line
