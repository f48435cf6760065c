"""The costs as text, read as a stranger would."""

from __future__ import annotations

import re
import time

import pytest

from retort.config import REPOSITORY, load
from retort.costs.calibration import Calibration, Run, calibrate
from retort.costs.estimate import Estimate
from retort.costs.report import (
    default_devices,
    device_kind,
    duration,
    estimate_of,
    hours,
    method_lines,
    path_lines,
    size,
    summary,
)
from retort.costs.work import Work
from retort.plan import Plan


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return estimate_of(Plan(load("paper", {"papers": ["glmd"]}), tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def unshared(tmp_path_factory):
    """The same, its largest model on one device."""
    one = {"papers": ["glmd"], "models": {"T3": {"devices": 1}}}
    return estimate_of(Plan(load("paper", one), tmp_path_factory.mktemp("results")))


def line(lines, name):
    return next(text for text in lines if text.startswith(f"  {name:17}"))


def test_the_paper_scale_is_costed_in_seconds(tmp_path):
    begun = time.process_time()
    found = estimate_of(Plan(load("paper"), tmp_path))
    assert found.wall(64) > 0 and found.shares and found.unshared_seconds
    assert time.process_time() - begun < 20


def test_a_screen_of_totals(paper):
    lines = summary(paper, 8)
    assert len(lines) < 20 and max(map(len, lines)) < 200
    total = hours(paper.device_seconds)
    assert line(lines, "device time").split()[2:4] == [total, "GPU-hours,"]
    assert f"{len(paper.plan.stages):,} stages" in line(lines, "jobs")
    assert f"{duration(paper.wall(8))} on 8 GPUs" in line(lines, "wall time")
    assert "TB: models" in line(lines, "disk")
    assert hours(paper.unshared_seconds) in line(lines, "sharing")
    assert hours(paper.unstored_seconds) in line(lines, "stored signals")
    assert "ASSUMED" in line(lines, "basis")
    assert any("A100 at 40% of 312 TFLOP/s" in text for text in lines)


def test_what_no_gpu_holds_is_said(paper, unshared):
    (warning,) = (text for text in summary(paper, 8) if "WARNING" in text)
    assert "ReCoRD" in warning
    warnings = [text for text in summary(unshared, 8) if "WARNING" in text]
    assert len(warnings) == 2
    assert "T3 pretraining 176.4 GB" in warnings[0] and "T2" not in warnings[0]


def test_what_several_devices_share_is_said(paper, unshared):
    said = line(summary(paper, 8), "shared out")
    assert "T3: 8 devices, 41 GiB each; S3: 8 devices, 15 GiB each" in said
    assert said.strip() in (REPOSITORY / "docs" / "multi-gpu.md").read_text()
    assert not [text for text in summary(unshared, 8) if "shared out" in text]
    # As much device time, many times sooner: the longest chain holds the largest teacher.
    assert paper.device_seconds == pytest.approx(unshared.device_seconds)
    assert paper.wall(64) < unshared.wall(64) / 4


def test_the_table_of_methods_is_aligned(paper):
    head, titles, *rows = method_lines(paper)
    assert head.startswith("GPU-hours by method") and len({len(text) for text in (titles, *rows)}) == 1
    methods = {cell.method for cell in paper.plan.cells if cell.role != "teacher"}
    assert methods == {re.split(r"\s{2,}", text.strip())[0] for text in rows} - {"(teachers)"}
    assert sum(float(text.split()[-2].rstrip("%")) for text in rows) == pytest.approx(100, abs=3)


def test_the_critical_path_names_its_tasks(paper):
    head, *rows = path_lines(paper)
    assert head == f"critical path, {duration(sum(job.seconds for job in paper.path))}"
    assert len(rows) == len(paper.path) and "T3.pre" in rows[0]
    assert any("(ReCoRD)" in text for text in rows)


def test_imported_teachers_are_not_counted(tmp_path):
    found = {"import_teacher": dict.fromkeys(("T1", "T2", "T3", "T_MB"), "somewhere")}
    lines = summary(estimate_of(Plan(load("paper", found), tmp_path)), 8)
    assert not any("pretrain teachers" in text for text in lines)


def test_finished_stages_are_named_as_the_basis(tmp_path):
    plan = Plan(load("smoke"), tmp_path)
    calm = [Run(f"{i}", "task", Work(1e9 * (i + 1)), 0.1 * (i + 1), "Some CPU") for i in range(30)]
    found = Estimate(plan, estimate_of(plan).sizes, calibrate("cpu", calm))
    made = frozenset(list(plan.stages)[:3])
    lines = summary(found, 2, made)
    assert "30 finished stages on Some CPU: task 10.0 GFLOP/s" in line(lines, "basis")
    assert any("predicted time: 0%" in text for text in lines)
    assert f"3 of {len(plan.stages)} stages are made" in line(lines, "still to do")
    assert not any("WARNING" in text or "passed over" in text for text in lines)
    for runs in (calm, calm[:3]):  # enough to go by, too few
        lines = summary(Estimate(plan, found.sizes, calibrate("cpu", runs, 7)), 2)
        assert any("7 finished stages are passed over" in text for text in lines)


def test_devices(monkeypatch):
    assert device_kind(load("paper")) == "cuda" and device_kind(load("smoke")) == "cpu"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert device_kind(load("paper", {"device": "auto"})) == "cpu"
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    assert device_kind(load("paper", {"device": "auto"})) == "cuda"
    assert default_devices("cuda") == 8 and default_devices("cpu") >= 1
    assert Calibration("cpu", estimate_of(Plan(load("smoke"))).calibration.rates).achieved("task") is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.4, "12 s"), (90, "1.5 min"), (3600, "1.0 h"), (100000, "27.8 h"), (864000, "10.0 days")],
)
def test_times_for_people(seconds, text):
    assert duration(seconds) == text


def test_numbers_for_people():
    assert [hours(3600 * x) for x in (12345.6, 99.94, 1.234, 0.0123)] == ["12,346", "99.9", "1.23", "0.012"]
    assert [size(x) for x in (2.5e12, 3e9, 4.44e6, 5000)] == ["2.5 TB", "3.0 GB", "4.4 MB", "5 kB"]
