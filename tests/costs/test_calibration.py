"""Rates from run cards: found again on made-up machines, whatever else runs on a real one."""

from __future__ import annotations

import json
from random import Random

import pytest

from retort.config import load
from retort.config.model import as_text
from retort.costs.calibration import (
    ASSUMED,
    MINIMUM_RUNS,
    Rates,
    Run,
    calibrate,
    finished_runs,
    fit,
    relative_error,
    seconds_of,
)
from retort.costs.sizes import sizes_of
from retort.costs.stage_work import stage_work
from retort.costs.work import Work
from retort.plan import Plan

MACHINE = Rates(1 / 60e9, 1.2e-9, 6e-6, 3e-6, 4.0)


def runs(count=40, noise=0.0, seed=1):
    """Stages of many shapes on a machine with known rates."""
    rng = Random(seed)
    found = []
    for number in range(count):
        work = Work(
            10 ** rng.uniform(11, 13.5), 10 ** rng.uniform(9, 11), 10 ** rng.uniform(4, 6), 1e5 * rng.random()
        )
        seconds = MACHINE.seconds(work) * (1 + rng.uniform(-noise, noise))
        phase = rng.choice(["pretraining", "task"])
        found.append(Run(f"stage{number}", phase, work, seconds, "processor"))
    return found


def test_exact_times_give_the_machine_s_rates():
    found = fit(runs(), 4.0)
    assert (found.flop, found.element, found.launch, found.host) == pytest.approx(
        (MACHINE.flop, MACHINE.element, MACHINE.launch, MACHINE.host), rel=1e-6
    )
    assert calibrate("cpu", runs()).error < 1e-6


def test_noise_shows_as_error():
    errors = [calibrate("cuda", runs(noise=noise)).error for noise in (0.05, 0.3)]
    assert errors[0] < 0.06 < 0.1 < errors[1] < 0.25


def test_rates_are_never_negative():
    for seed in range(5):
        found = fit(runs(12, noise=0.5, seed=seed), 4.0)
        assert min(found.flop, found.element, found.launch, found.host) >= 0


def test_a_few_wild_runs_change_little():
    spoiled = [
        Run(r.stage, r.phase, r.work, r.seconds * (10 if i % 9 == 0 else 1), r.device)
        for i, r in enumerate(runs(noise=0.02))
    ]
    found = fit(spoiled, 4.0)
    assert max(relative_error(found, run) for run in runs()) < 0.15


def test_too_few_runs_leave_the_assumptions():
    found = calibrate("cuda", runs(MINIMUM_RUNS - 1))
    assert found.rates == ASSUMED["cuda"] and found.error is None and found.achieved("task") is None


def test_achieved_speed_is_total_work_by_total_time():
    some = [Run("a", "task", Work(6e9), 2.0, "p"), Run("b", "task", Work(2e9), 2.0, "p")] * 5
    assert calibrate("cpu", some).achieved("task") == pytest.approx(2e9)


# Run cards


def card(seconds, begun, ended, kind="cpu", threads=1):
    return {
        "device": {"kind": kind, "name": "some processor", "threads": threads},
        "seconds": seconds,
        "processor_seconds": seconds / 2,
        "started": f"2026-01-01T10:00:{begun:02}+00:00",
        "finished": f"2026-01-01T10:00:{ended:02}+00:00",
    }


@pytest.fixture
def results(tmp_path):
    """A results folder with a configuration and two finished stages."""
    config = load(
        "smoke",
        {
            "papers": ["glmd"],
            "methods": ["PD"],
            "pairs": ["T1-S1"],
            "tasks": ["RTE", "WiC"],
            "variants": {"tables": []},
        },
    )
    plan = Plan(config, tmp_path)
    plan.layout.root.mkdir()
    (plan.layout.root / "config.json").write_text(as_text(config))
    first, tuned = plan.pretrained("T1"), plan.fine_tuned("T1", ("RTE", "WiC"))
    cards = {
        plan.layout.stage(first): card(8.0, 0, 10),
        plan.layout.task_model(tuned, "RTE"): card(3.0, 20, 24),
        plan.layout.task_model(tuned, "WiC"): card(3.0, 25, 29),
    }
    for folder, content in cards.items():
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps(content))
    return plan, first, tuned


def test_finished_stages_are_found_with_their_time(results, tmp_path):
    plan, first, tuned = results
    known, passed_over = finished_runs(tmp_path, "cpu")
    found = {run.stage: run for run in known}
    assert {name: run.seconds for name, run in found.items()} == {first.id: 4.0, tuned.id: 3.0}
    assert found[tuned.id].phase == "task" and found[tuned.id].device == "some processor"
    work = stage_work(first, sizes_of(plan)).all
    assert found[first.id].work == work
    assert passed_over == 0 and finished_runs(tmp_path, "cuda") == ([], 0)


def test_a_stage_with_a_card_missing_has_not_finished(results, tmp_path):
    plan, first, tuned = results
    (plan.layout.task_model(tuned, "WiC") / "card.json").unlink()
    assert [run.stage for run in finished_runs(tmp_path, "cpu")[0]] == [first.id]


def test_a_gpu_or_several_threads_are_timed_from_start_to_end():
    cards = [card(3.0, 20, 24), card(3.0, 25, 29)]
    assert seconds_of(cards) == 3.0
    for other in ({"kind": "cuda:0"}, {"threads": 2}):
        assert seconds_of([found | {"device": found["device"] | other} for found in cards]) == 9.0


def test_a_night_between_two_halves_of_a_run_is_not_counted():
    late = card(8.0, 0, 10, kind="cuda") | {"finished": "2026-01-02T09:00:00+00:00"}
    assert seconds_of([late]) == 8.0


def test_cards_from_before_there_was_processor_time_teach_nothing(results, tmp_path):
    plan, first, tuned = results
    old = card(8.0, 0, 10)
    del old["processor_seconds"]
    (plan.layout.stage(first) / "card.json").write_text(json.dumps(old))
    known, passed_over = finished_runs(tmp_path, "cpu")
    assert [run.stage for run in known] == [tuned.id] and passed_over == 1
    assert calibrate("cpu", known, passed_over).passed_over == 1
