"""Disks that are full, read-only or limited: one line, nothing half-written, on as soon as there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fault_world import CONFIG, STEPS

from retort.config import merge, resolve
from retort.data.parts import prepare_paper
from retort.errors import RetortError
from retort.files import atomic_folder, write_json
from retort.plan import Plan

DISK = 64 * 2**20
KINDS = ("data", "text", "vocabulary map", "signals", "pretraining: features", "task: classes", "scores")


def step_of(kind):
    return next(name for name, one in STEPS.items() if one.kind == kind)


def mounted(place: Path, *options: str):
    """Mount there until the generator ends; skips where that is not allowed."""
    ended = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"mounting needs root's rights: {ended.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def small_disk(forge):
    """A disk of its own for what the steps make."""
    shutil.rmtree(forge.live)
    forge.live.mkdir()
    yield from mounted(forge.live, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs")


def fill(disk: Path, free: int) -> Path:
    """Leave so many bytes free."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    size = room.f_bavail * room.f_frsize - free
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, size)
    return ballast


def told(ended, folder, *words):
    """The one line that an attempt ended with."""
    assert ended.code == 1, ended.printed
    assert "Traceback" not in ended.printed
    (line,) = (line for line in ended.printed.splitlines() if line.startswith("error: "))
    assert str(folder) in line and "nothing is left half-written" in line
    for word in words:
        assert word in line
    assert not [path for path in folder.rglob(".*") if path.name not in (".progress", ".scratch")]
    return line


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8], ids=["no room", "some room", "nearly enough"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_stops_a_step_which_goes_on_when_there_is_room(forge, small_disk, kind, share):
    step = step_of(kind)
    forge.without(step, copy=shutil.copyfile)
    leaves = [forge.base / path.relative_to(forge.live) for path in STEPS[step].leaves(forge.plan)]
    sizes = [path.stat().st_size for leaf in leaves for path in (leaf, *leaf.rglob("*")) if path.is_file()]
    ballast = fill(forge.live, int(share * sum(sizes)))
    ended = forge.attempt(step)
    told(ended, forge.live, "cannot be written (No space left on device)", "free some space on that disk")
    ballast.unlink()
    ended = forge.attempt(step)
    assert ended.code == 0, ended.printed
    assert forge.differences() == []


def test_a_full_disk_leaves_the_state_before_it(forge, small_disk):
    step = step_of("pretraining: features")
    forge.without(step, copy=shutil.copyfile)
    forge.attempt(step, plot="dies in the last update")
    states = {path: path.read_bytes() for path in forge.live.rglob("state-*.pt")}
    assert len(states) == 2
    newest = max(states)
    newest.unlink()  # so that there is an update left whose state is to be saved
    ballast = fill(forge.live, len(states[newest]) // 2)
    told(forge.attempt(step), forge.live, "state-", "No space left on device")
    (left,) = forge.live.rglob("state-*.pt")
    assert left.read_bytes() == states[left]
    ballast.unlink()
    assert forge.attempt(step).code == 0
    assert forge.differences() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_on_the_size_of_files_is_told_as_well(forge, kind):
    """The same without root's rights: every file beyond a few bytes is refused."""
    step = step_of(kind)
    forge.without(step)
    told(forge.attempt(step, limits={"RLIMIT_FSIZE": 1000}), forge.live, "File too large", "ulimit -f")
    ended = forge.attempt(step)
    assert ended.code == 0, ended.printed
    assert forge.differences() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_results_folder_is_one_line(forge, small_disk, kind):
    step = step_of(kind)
    forge.without(step, copy=shutil.copyfile)
    subprocess.run(["mount", "-o", "remount,ro", str(forge.live)], check=True)
    try:
        ended = forge.attempt(step)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(forge.live)], check=True)
    told(ended, forge.live, "Read-only file system", "make it writable or name another place")


def test_a_read_only_data_folder_is_enough(forge, tmp_path):
    """Data is only read: everything that is derived from it lies in the results."""
    given = tmp_path / "given"
    for name in forge.plan.data.values():
        world = forge.base / forge.plan.layout.data(name).relative_to(forge.live) / "world"
        shutil.copytree(world, given, dirs_exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in (given, *given.rglob("*"))}
    raw = CONFIG.model_dump(mode="json")
    config = resolve(merge(raw, {"data_root": str(given), "data": {"source": "folder"}}))
    plan = Plan(config, tmp_path / "results")
    for _ in read_only(given):
        with pytest.raises(OSError, match="Read-only|Permission"):
            (given / "new").touch()
        prepare_paper(plan, "glmd")
    assert {path: path.stat().st_mtime_ns for path in (given, *given.rglob("*"))} == before
    assert all((plan.layout.text(name) / "summary.json").is_file() for name in plan.text.values())


def read_only(folder: Path):
    """The folder read-only until the generator ends: by its mount for root, who may write everywhere else."""
    if os.geteuid() == 0:
        for _ in mounted(folder, "--bind", str(folder)):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            yield folder
        return
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("write", [lambda f: write_json(f / "new" / "a.json", {}), lambda f: enter(f / "b")])
def test_a_folder_without_the_right_to_write_is_one_line(tmp_path, write):
    for folder in read_only(tmp_path):
        with pytest.raises(RetortError, match="cannot be written .*; .* or name another place") as error:
            write(folder)
        assert "\n" not in str(error.value)


def enter(folder: Path) -> None:
    with atomic_folder(folder):
        pytest.fail("entered")


def test_what_cannot_be_read_is_not_told_as_written(tmp_path):
    """An error that is no refusal of the disk keeps its own words."""
    with pytest.raises(PermissionError, match="elsewhere"), atomic_folder(tmp_path / "a" / "made"):
        raise PermissionError(13, "Permission denied", "/elsewhere/file")
    assert list((tmp_path / "a").iterdir()) == []
