"""Who works on a stage: real processes, some of them killed, some on machines with wrong clocks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from retort.training import interruption, lease
from retort.training.interruption import Interrupted
from retort.training.lease import Holder, Lease, started_at

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")

ELSEWHERE = Holder("node7", "another-boot/1", 4242, 17, "31")
QUICK = {"beat": 0.05, "silent": 0.6}

WORKER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from retort.training.lease import Holder, Lease

folder, diary, name, host, seconds, silent = sys.argv[1:]
me = Holder.here() if host == "here" else replace(Holder.here(), host=host, system=host)
with Lease(Path(folder), "S1.task", me, 0.05, float(silent)):
    with open(diary, "a") as stream:
        stream.write(f"{name} begins\\n")
    time.sleep(float(seconds))
    with open(diary, "a") as stream:
        stream.write(f"{name} ends\\n")
"""


class Place:
    """A folder of claims, workers on it, and what they wrote."""

    def __init__(self, path):
        self.folder, self.diary, self.workers = path / ".leases", path / "diary", []
        self.diary.touch()

    def start(self, name, host="here", seconds=0.1, silent=30.0):
        arguments = [str(self.folder), str(self.diary), name, host, str(seconds), str(silent)]
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments], stderr=subprocess.PIPE, text=True
        )
        self.workers.append(worker)
        return worker

    def lines(self):
        return self.diary.read_text().splitlines()

    def until(self, line):
        end = time.monotonic() + 20
        while line not in self.lines():
            assert time.monotonic() < end, f"never wrote {line!r}, but {self.lines()}"
            time.sleep(0.01)

    def claims(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "_LOOK_SECONDS", 0.02)
    found = Place(tmp_path)
    yield found
    for worker in found.workers:
        worker.kill()
        worker.communicate()


def file_claim(place, number, holder):
    place.folder.mkdir(exist_ok=True)
    path = place.folder / f"S1.task.lease.{number}"
    path.write_text(json.dumps(asdict(holder)))
    return path


def test_nobody_waits_for_nobody(place, capsys):
    with Lease(place.folder, "S1.task"):
        assert place.claims() == ["S1.task.lease.1"]
        with Lease(place.folder, "S1.task.x"), Lease(place.folder, "S1"):
            assert len(place.claims()) == 3
    assert place.claims() == [] and capsys.readouterr().err == ""


def test_many_processes_on_several_machines_work_one_after_the_other(place):
    workers = [place.start(str(n), host=("here", "a", "b")[n % 3]) for n in range(6)]
    assert [worker.wait(60) for worker in workers] == [0] * 6
    lines = place.lines()
    assert len(lines) == 12
    for begins, ends in zip(lines[::2], lines[1::2], strict=True):
        assert begins.split() == [ends.split()[0], "begins"] and ends.endswith(" ends")
    assert place.claims() == []


@pytest.mark.parametrize("silent", [30.0])
def test_a_killed_holder_on_the_same_machine_is_followed_at_once(place, silent):
    first = place.start("first", seconds=60)
    place.until("first begins")
    second = place.start("second", silent=silent)
    time.sleep(0.5)
    assert place.lines() == ["first begins"] and second.poll() is None
    first.send_signal(signal.SIGKILL)  # stays a zombie until it is waited for
    killed = time.monotonic()
    place.until("second begins")
    assert time.monotonic() - killed < silent / 3
    _, error = second.communicate(timeout=20)
    host = Holder.here().host
    assert error.splitlines() == [
        f"S1.task: process {first.pid} on {host} works on it; waiting for its end",
        f"S1.task: process {first.pid} on {host} has died; taking over",
    ]


def test_a_killed_holder_elsewhere_is_followed_when_it_has_been_silent(place):
    first = place.start("first", host="node7", seconds=60)
    place.until("first begins")
    place.start("second", silent=1.0)
    time.sleep(2.0)  # it lives, as far as can be seen from here
    assert place.lines() == ["first begins"]
    first.kill()
    killed = time.monotonic()
    place.until("second begins")
    assert 0.8 < time.monotonic() - killed < 10


@pytest.mark.parametrize("hours", [-30, 30], ids=["late", "early"])
def test_a_wrong_clock_elsewhere_makes_nobody_dead_or_immortal(place, hours):
    """Only that a claim's time changes counts, not what it says."""
    path = file_claim(place, 3, ELSEWHERE)
    wrong = time.time() + 3600 * hours
    mine = Lease(place.folder, "S1.task", **QUICK)
    mine._number = 4
    beats = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        os.utime(path, (wrong + beats, wrong + beats))
        beats += 1
        assert next(mine._living_before()) == (3, ELSEWHERE)
        time.sleep(0.1)
    time.sleep(0.4)
    assert next(mine._living_before(), None) is not None
    time.sleep(0.3)
    assert next(mine._living_before(), None) is None and place.claims() == []


def test_a_process_that_has_the_id_of_the_dead_one_is_not_taken_for_it(place):
    here = Holder.here()
    file_claim(place, 1, replace(here, started=here.started - 1))
    with Lease(place.folder, "S1.task"):
        assert place.claims() == ["S1.task.lease.2"]


def test_a_claim_whose_writer_died_over_it_is_cleared_away(place):
    (place.folder).mkdir()
    (place.folder / "S1.task.lease.1").write_text('{"host": "node7", "sys')
    before = time.monotonic()
    with Lease(place.folder, "S1.task", **QUICK):
        assert 0.5 < time.monotonic() - before < 10


def test_a_number_that_came_too_late_is_given_back(place, monkeypatch):
    """Another process that had seen an older claim files a higher number in between and begins."""
    mine = Lease(place.folder, "S1.task")
    place.folder.mkdir()
    real, seen = Lease._numbers, []

    def numbers(self):
        found = real(self)
        if not seen:  # between looking and filing
            file_claim(place, 3, Holder.here())
        seen.append(found)
        return found

    monkeypatch.setattr(Lease, "_numbers", numbers)
    assert mine._claim() == 4
    assert seen[0] == [] and place.claims() == ["S1.task.lease.3", "S1.task.lease.4"]


def test_who_waits_can_be_asked_to_stop(place, monkeypatch):
    file_claim(place, 1, Holder.here())
    monkeypatch.setattr(interruption, "_reasons", ["SIGTERM"])
    with pytest.raises(Interrupted, match="^SIGTERM: stopped while waiting for another process; "):
        Lease(place.folder, "S1.task").__enter__()
    assert place.claims() == ["S1.task.lease.1"]


def test_who_was_thought_dead_is_asked_to_stop(place, monkeypatch):
    reasons = []
    monkeypatch.setattr(interruption, "_reasons", reasons)
    with Lease(place.folder, "S1.task", **QUICK):
        time.sleep(0.2)
        assert reasons == []
        (place.folder / "S1.task.lease.1").unlink()
        time.sleep(0.3)
    assert reasons == ["another process thought this one dead and has taken S1.task over"]


def test_a_slurm_job_is_named(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "31")
    assert str(Holder.here()) == f"process {os.getpid()} on {Holder.here().host}, SLURM job 31"


def test_a_process_that_ended_has_no_start():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    while started_at(child.pid) is not None:
        time.sleep(0.01)
    assert child.poll() is not None or child.wait() == 0
    assert started_at(child.pid) is None and started_at(os.getpid()) == Holder.here().started
