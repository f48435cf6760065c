"""Costs of whole plans: of stages, of jobs, of methods; what sharing and stored signals save."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retort.config import load
from retort.costs.calibration import ASSUMED, Calibration, Rates
from retort.costs.disk import disk, signals_bytes, signals_file
from retort.costs.estimate import GATES, SIGNALS, Estimate
from retort.costs.flops import parameters
from retort.costs.sizes import sizes_of
from retort.costs.stage_work import signals_work, stage_work, task_work
from retort.plan import Plan

FEW = {
    "papers": ["glmd"],
    "methods": ["KD", "PD", "TinyBERT", "GLMD-vc", "GLMD"],
    "pairs": ["T1-S1"],
    "seeds": [1, 2],
    "variants": {"tables": []},
}
"""Of all that the smoke scale has, what can be counted by hand."""


def estimate(tmp_path, overrides=FEW, scale="smoke", rates=ASSUMED["cpu"]):
    plan = Plan(load(scale, overrides), tmp_path)
    sizes = sizes_of(plan)
    return Estimate(plan, sizes, Calibration(plan.config.device, rates))


JOBS = Rates(0.0, 0.0, 0.0, 0.0, 1.0)
"""A second a job, whatever it does: costs become counts."""


def of(found, method, phase):
    """Stages of a method's first cell in a phase, first to last."""
    stage = next(cell for cell in found.plan.cells if cell.method == method).stages[0]
    chain = []
    while stage is not None:
        chain.insert(0, stage)
        stage = stage.init
    return [stage for stage in chain if stage.phase == phase]


# Stages


def test_a_longer_run_is_as_much_more_work(tmp_path):
    found = estimate(tmp_path)
    stage = of(found, "GLMD", "pretraining")[0]
    schooling = replace(stage.schooling, steps=3 * stage.schooling.steps)
    once = stage_work(stage, found.sizes)
    thrice = stage_work(replace(stage, schooling=schooling), found.sizes)
    assert thrice.all.flops == pytest.approx(3 * once.all.flops) and thrice.steps == 3 * once.steps
    assert once.teachers.flops > 0 and once.evaluation.flops == 0


def test_a_task_s_work_follows_epochs_padding_and_evaluations(tmp_path):
    found = estimate(tmp_path)
    stage = of(found, "PD", "task")[0]
    run = stage.schooling[0]

    def work(**changes):
        return task_work(stage, replace(run, **changes), found.sizes)

    once = work()
    assert work(epochs=4).student.flops == pytest.approx(4 * once.student.flops)
    assert work(padding="fixed").student.flops > 2 * once.student.flops
    assert work(padding="fixed").evaluation == once.evaluation
    assert work(evaluations=3).evaluation.flops == pytest.approx(2 * once.evaluation.flops)
    assert work(epochs=4, evaluations="per_epoch").evaluation.flops == pytest.approx(
        2.5 * once.evaluation.flops
    )
    assert work(batch_size=4).steps == 2 * once.steps


def test_stored_teachers_are_not_run(tmp_path):
    found = estimate(tmp_path)
    kd, tinybert = (of(found, name, "task")[0] for name in ("KD", "TinyBERT"))
    assert found.work[kd.id].teachers.flops == 0 < found.work[kd.id].avoided.flops
    assert found.work[tinybert.id].avoided.flops == 0 < found.work[tinybert.id].teachers.flops
    words = of(found, "GLMD-vc", "task")[0]
    assert 0 < found.work[words.id].teachers.flops < found.work[words.id].avoided.flops  # logits alone


def test_a_compressed_vocabulary_is_less_work(tmp_path):
    found = estimate(tmp_path)
    whole, small = (of(found, name, "pretraining")[0] for name in ("GLMD-vc", "GLMD"))
    assert found.work[small.id].all.flops < found.work[whole.id].all.flops


def test_a_search_multiplies_runs_but_no_signals(tmp_path):
    search = {"learning_rates": [1e-4, 2e-4, 4e-4], "batch_sizes": [8]}
    plain = estimate(tmp_path)
    searched = estimate(tmp_path, FEW | {"task_training": {"search": search}})
    one, three = (of(found, "PD", "task")[0] for found in (plain, searched))
    assert searched.work[three.id].all.flops == pytest.approx(3 * plain.work[one.id].all.flops)
    first, second = (of(found, "GLM", "task")[0] for found in (plain, searched))
    assert signals_work(second, searched.sizes) == signals_work(first, plain.sizes)
    assert signals_bytes(second, searched.sizes) == signals_bytes(first, plain.sizes) > 0
    weights = [disk([stage], [], plain.sizes, 1).weights for stage in (one, three)]
    assert weights[1] == 3 * weights[0]


def test_an_imported_teacher_costs_its_start_alone(tmp_path):
    found = estimate(tmp_path, FEW | {"import_teacher": {"T1": "somewhere"}})
    assert found.seconds(found.plan.pretrained("T1")) == ASSUMED["cpu"].start


# Jobs


def test_jobs_are_connected_as_the_rules_connect_them(tmp_path):
    found = estimate(tmp_path)
    tuned = found.plan.fine_tuned("T1", found.plan.groups[0])
    assert found.jobs[GATES].needs == (tuned.id,)
    assert found.jobs[SIGNALS + tuned.id].needs == (tuned.id,)
    pretrained, task = of(found, "GLMD", "pretraining")[0], of(found, "GLMD", "task")[0]
    assert found.plan.pretrained("T1").id in found.jobs[pretrained.id].needs
    assert any(need.startswith("vocabulary ") for need in found.jobs[pretrained.id].needs)
    assert {pretrained.id, SIGNALS + tuned.id} <= set(found.jobs[task.id].needs)
    assert not any(GATES in job.needs for job in found.jobs.values())  # students judge their own teachers
    assert found.jobs[of(found, "PD", "pretraining")[0].id].needs == ()


def test_sharing_counted_by_hand(tmp_path):
    """With a second for each job: 46 stages alone (as the plan counts), 26 shared, one more for signals."""
    found = estimate(tmp_path, rates=JOBS)
    assert (found.unshared_seconds, found.unstored_seconds, found.device_seconds) == (46, 26, 27)
    assert found.flops > 0


def test_methods_share_all_of_the_device_time(tmp_path):
    for overrides, scale in ((FEW, "smoke"), ({}, "paper")):
        found = estimate(tmp_path, overrides, scale)
        assert sum(share.seconds for share in found.shares) == pytest.approx(found.device_seconds)
        assert sum(share.cells for share in found.shares) == len(found.plan.cells)
        assert [s.seconds for s in found.shares] == sorted((s.seconds for s in found.shares), reverse=True)


def test_one_device_takes_all_the_time_and_many_the_longest_chain(tmp_path):
    found = estimate(tmp_path)
    longest = sum(job.seconds for job in found.path)
    assert found.wall(1) == pytest.approx(found.device_seconds, rel=0.05)
    assert found.wall(1000) == pytest.approx(longest)
    assert longest <= found.wall(4) <= found.wall(2) <= found.wall(1)
    assert all(first.name in job.needs for first, job in zip(found.path, found.path[1:], strict=False))


# Disk and memory


def test_bytes_of_models_and_states(tmp_path):
    found = estimate(tmp_path)
    plan, sizes = found.plan, found.sizes
    teacher = plan.pretrained("T1")
    one = 4 * parameters(teacher.architecture, sizes.rows)
    alone = disk([teacher], [], sizes, 1)
    assert (alone.weights, alone.scratch, alone.signals) == (one, 9 * one, 0)
    tuned = plan.fine_tuned("T1", plan.groups[0])
    assert disk([tuned], [], sizes, 1).weights == 8 * one
    assert disk([teacher, tuned], [], sizes, 2).scratch == 9 * one + 12 * one
    assert alone.all == alone.weights + alone.scratch + alone.text


def test_bytes_of_signals(tmp_path):
    found = estimate(tmp_path)
    tuned = found.plan.fine_tuned("T1", found.plan.groups[0])
    run = next(run for run in tuned.schooling if run.task == "COPA")
    task = found.sizes.tasks["COPA"]
    width = tuned.architecture.width
    assert signals_file(tuned, run, found.sizes) == 4 * width * (
        task.train * 2 * task.length + found.sizes.rows
    )
    assert signals_bytes(tuned, found.sizes) > signals_file(tuned, run, found.sizes)
    assert found.disk(1).signals == signals_bytes(tuned, found.sizes)
    assert signals_bytes(found.plan.pretrained("T1"), found.sizes) == 0
