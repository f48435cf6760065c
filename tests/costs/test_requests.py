"""What jobs ask of a cluster."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retort.config import load
from retort.costs.disk import model_bytes, state_bytes
from retort.costs.requests import LEAST, LONGEST, SHORT, SLACK, Requests
from retort.costs.sizes import expected_sizes
from retort.plan import Plan
from retort.texts import CORPUS


@pytest.fixture(scope="module")
def paper():
    return Plan(load("paper"))


@pytest.fixture(scope="module")
def requests(paper):
    return Requests(paper)


def test_long_stages_ask_for_more_than_short_ones_within_bounds(paper, requests):
    minutes = {stage.id: requests.minutes(stage.id) for stage in paper.stages.values()}
    seconds = {name: requests._estimate.seconds(paper.stage(name)) for name in minutes}
    assert min(minutes.values()) == LEAST and max(minutes.values()) == LONGEST
    between = [name for name, asked in minutes.items() if LEAST < asked < LONGEST]
    assert len(between) > 100
    for name in between:
        shared = seconds[name] / paper.devices(paper.stage(name))
        assert minutes[name] == pytest.approx(SLACK * shared / 60, abs=1)


def test_each_attempt_asks_for_more_time_until_the_longest_and_for_more_memory(paper, requests):
    names = sorted(paper.stages, key=requests.minutes)
    short, long = names[0], names[-1]
    assert [requests.minutes(short, attempt) for attempt in (1, 2, 3)] == [LEAST, 2 * LEAST, 3 * LEAST]
    assert [requests.minutes(long, attempt) for attempt in (1, 2)] == [LONGEST, LONGEST]
    once = requests.megabytes(long)
    assert [requests.megabytes(long, n) / once for n in (2, 3, 20)] == pytest.approx([1.5, 2, 2], rel=1e-3)
    assert requests.text_minutes(2) > requests.text_minutes() and requests.text_megabytes() > 10_000
    teacher = next(stage for stage in paper.stages.values() if stage.phase == "task" and stage.tasks)
    assert LEAST <= requests.signal_minutes(teacher.id) <= LONGEST


def test_memory_holds_what_is_saved_and_loaded(paper, requests):
    sizes = expected_sizes(paper.config)
    for stage in paper.stages.values():
        if stage.schooling is not None:
            held = state_bytes(stage, sizes) + sum(model_bytes(teacher, sizes) for teacher in stage.teachers)
            assert requests.megabytes(stage.id) >= 6000 + held / 1e6


def test_stages_that_share_a_job_are_short_and_nobody_waits_for_them(paper, requests):
    packed = {name for name in paper.stages if requests.packed(name)}
    assert 0 < len(packed) < len(paper.stages)
    waited_for = {parent.id for stage in paper.stages.values() for parent in stage.ancestors()}
    waited_for |= {stage.id for cell in paper.cells if cell.role == "teacher" for stage in cell.stages}
    assert not packed & waited_for
    for name in packed:
        stage = paper.stage(name)
        assert stage.phase == "task" and requests._estimate.seconds(stage) <= SHORT
    last = {stage.id for cell in paper.cells for stage in cell.stages}
    assert packed <= last


def test_requests_do_not_hang_on_what_was_made_before(tmp_path):
    """Nor do they read it: a job on the cluster works its own out again when it starts."""
    plan = Plan(load("smoke"), tmp_path)
    folder = plan.layout.text(plan.text[CORPUS])
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("no JSON")
    found = Requests(plan)
    assert {found.minutes(name) for name in plan.stages} == {LEAST}
    assert all(2000 < found.megabytes(name) < 2100 for name in plan.stages)


def test_requests_import_no_torch_and_no_numpy():
    code = (
        "import sys; from retort.config import load; from retort.costs.requests import Requests; "
        "from retort.plan import Plan; plan = Plan(load('smoke')); found = Requests(plan); "
        "[(found.minutes(n), found.megabytes(n), found.packed(n)) for n in plan.stages]; "
        "print(sorted({'torch', 'numpy'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("scale", ["smoke", "pocket", "real"])
def test_every_stage_of_every_paper_has_requests(scale, tmp_path):
    overrides = {"data_root": str(tmp_path)} if scale == "real" else {}
    plan = Plan(load(scale, overrides | {"papers": ["cka", "atkd"]}), tmp_path)
    found = Requests(plan)
    for name, stage in plan.stages.items():
        assert LEAST <= found.minutes(name) <= LONGEST and found.megabytes(name) > 2000
        assert found.packed(name) in (True, False)
        if any(run.reads_signals for run in stage.runs.values()):
            assert LEAST <= found.signal_minutes(stage.teachers[0].id) <= LONGEST
    assert found.text_minutes() >= LEAST and found.text_megabytes() >= 2000
