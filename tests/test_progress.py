"""Progress: sparse lines, a status file at most once a second, sensible speed and time left."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from retort import progress
from retort.errors import InputError, RetortError
from retort.progress import Progress, clock, read_statuses


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now():
    return Clock()


def test_a_log_gets_a_line_every_few_seconds(tmp_path, now):
    log = io.StringIO()
    with Progress("T1", tmp_path, log, now) as job:
        job.begin("pretrain", 200)
        for step in range(1, 101):
            now.time += 0.1
            job.update(step, tokens=50, loss=2.5)
    lines = log.getvalue().splitlines()
    assert len(lines) == 2 + 2 + 1  # entering, beginning, 10 s of work, leaving
    assert "\r" not in log.getvalue()
    assert lines[3] == "T1  pretrain  100/200  50%  loss 2.5  500 tok/s  0:10 left"


def test_a_terminal_gets_one_line_that_is_rewritten(now):
    screen = Terminal()
    with Progress("T1", None, screen, now) as job:
        job.begin("pretrain", 10)
        for step in range(1, 11):
            now.time += 0.1
            job.update(step)
    text = screen.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.split("\x1b[2K")[-1].startswith("T1  pretrain  10/10 100%")


def test_the_status_file_is_written_at_most_once_a_second(tmp_path, now, monkeypatch):
    written = []
    monkeypatch.setattr(
        progress, "write_json", lambda file, value: written.append((file.name, value["step"]))
    )
    with Progress("T1", tmp_path, io.StringIO(), now) as job:
        job.begin("pretrain", 1000)
        for step in range(1, 41):
            now.time += 0.1
            job.update(step)
    assert {name for name, _ in written} == {"T1.json"}
    assert [step for _, step in written] == [0, 0, 10, 20, 30, 40, 40]


def test_speed_and_time_left_follow_the_present(tmp_path, now):
    job = Progress("T1", None, io.StringIO(), now)
    job.begin("pretrain", 1000, step=500)
    for step in range(501, 601):
        now.time += 1.0 if step <= 550 else 0.5
        job.update(step, tokens=10)
    status = job.status()
    assert status.tokens_per_second == pytest.approx(20)
    assert status.seconds_left == pytest.approx(200)
    assert status.share == 0.6


def test_a_clock_that_is_set_back_neither_silences_nor_confuses(tmp_path, now):
    log, wall = io.StringIO(), Clock()
    wall.time = 2e9
    with Progress("T1", tmp_path, log, now, wall) as job:
        job.begin("pretrain", 200)
        for step in range(1, 101):
            now.time += 0.1
            wall.time += 0.1
            if step == 30:
                wall.time -= 3600
            job.update(step, tokens=50, loss=2.5)
            status = job.status()
            assert status.seconds_left == pytest.approx((200 - step) * 0.1)
            assert status.tokens_per_second == pytest.approx(500)
    assert len(log.getvalue().splitlines()) == 2 + 2 + 1
    written = json.loads((tmp_path / "T1.json").read_text())
    assert written["updated"] == wall.time


def test_a_status_that_cannot_be_written_stops_the_start_alone(tmp_path, now, monkeypatch):
    def refuse(file, value):
        raise RetortError(f"{file}: cannot be written (No space left on device)")

    log = io.StringIO()
    with Progress("T1", tmp_path, log, now) as job:
        job.begin("pretrain", 2)
        monkeypatch.setattr(progress, "write_json", refuse)
        now.time += 10
        job.update(1)
    assert log.getvalue().count("No space left on device") == 2
    with pytest.raises(RetortError, match="No space left"), Progress("T1", tmp_path, log, now):
        pytest.fail("entered")


def test_nothing_is_claimed_before_the_first_step(now):
    job = Progress("T1", None, io.StringIO(), now)
    job.begin("pretrain", 10)
    status = job.status()
    assert (status.tokens_per_second, status.seconds_left, status.loss) == (None, None, None)
    assert status.line() == "T1  pretrain  0/10   0%"


def test_the_last_loss_is_kept_and_nan_is_not_written(tmp_path, now):
    with Progress("T1", tmp_path, io.StringIO(), now) as job:
        job.begin("pretrain", 3)
        job.update(1, loss=2.0)
        job.update(2)
        assert job.status().loss == 2.0
        job.update(3, loss=float("nan"))
    assert json.loads((tmp_path / "T1.json").read_text())["loss"] is None


@pytest.mark.parametrize("failure", [None, ValueError("x")])
def test_leaving_says_how_it_ended(tmp_path, now, failure):
    try:
        with Progress("T1", tmp_path, io.StringIO(), now) as job:
            job.begin("pretrain", 3)
            if failure:
                raise failure
    except ValueError as error:
        assert error is failure
    assert json.loads((tmp_path / "T1.json").read_text())["state"] == ("failed" if failure else "done")


def test_statuses_are_read_running_first(tmp_path, now):
    folder = tmp_path / "pocket" / ".progress"
    with Progress("a", folder, io.StringIO(), now) as job:
        job.begin("x", 1)
    for name in ("c", "b"):
        Progress(name, folder, io.StringIO(), now).begin("x", 4, 1)
    assert [(s.job, s.state) for s in read_statuses(tmp_path)] == [
        ("b", "running"),
        ("c", "running"),
        ("a", "done"),
    ]


def test_a_broken_status_file_is_named(tmp_path):
    (tmp_path / ".progress").mkdir()
    (tmp_path / ".progress" / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a.json:1: not JSON"):
        read_statuses(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (61, "1:01"), (3600, "1:00:00"), (86399.6, "24:00:00")]
)
def test_durations(seconds, text):
    assert clock(seconds) == text


def watch(root, *arguments):
    command = [sys.executable, str(root / "scripts" / "watch.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "120"})


def test_the_overview_shows_each_stage_once(root, tmp_path):
    folder = tmp_path / "pocket" / ".progress"
    job = Progress("teacher-T1", folder, io.StringIO())
    job.begin("pretrain", 200)
    old = Clock()
    Progress("student-S1", folder, io.StringIO(), wall=old).begin("distil", 10, 5)
    shown = watch(root, tmp_path, "--once")
    assert shown.returncode == 0, shown.stderr
    assert "2 running, 0 finished" in shown.stdout
    (student,) = [line for line in shown.stdout.splitlines() if "student-S1" in line]
    assert "5/10" in student and "50" in student and "silent for" in student
    (teacher,) = [line for line in shown.stdout.splitlines() if "teacher-T1" in line]
    assert "0/200" in teacher and "running" in teacher


def test_the_overview_of_nothing_is_one_clear_line(root, tmp_path):
    shown = watch(root, tmp_path / "none", "--once")
    assert shown.returncode == 2
    assert shown.stderr.splitlines() == [
        f"error: {tmp_path / 'none'}: no such folder; start a run first or name its results folder"
    ]
