"""A workflow whose every job goes through SLURM, and what happens to jobs there: in the end nothing shows.

One story, told once: stages are stopped by the end of their time, by ``scancel``, by the loss of their node,
by the death of their process inside a shared job, by the death of the workflow. Tests look at what is left.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass

import pytest
import torch
from slurm.cluster import wait_for
from slurm.queue_run import OVERRIDES, PATIENCE, TARGET, QueueRun

from retort.config import load
from retort.data.parts import prepare_paper
from retort.evaluation.collect import collect_scores
from retort.files import SEAL
from retort.plan import Plan
from retort.runcard import Request
from retort.training.pretraining import pretrain
from retort.training.setup import Job, prepare_process
from retort.training.signals import store_signals
from retort.training.tasks import train_tasks

pytestmark = [pytest.mark.slurm, pytest.mark.workflow]


@dataclass(frozen=True)
class Story:
    """A finished run, and the SLURM jobs in which things happened, by what happened."""

    run: QueueRun
    jobs: dict[str, str]
    first: str
    second: str

    def stage(self, prefix):
        """The only stage whose id starts so."""
        (found,) = (s for s in self.run.plan.stages.values() if s.id.startswith(prefix))
        return found


@pytest.fixture(scope="module")
def story(root, cluster, tmp_path_factory):
    run = QueueRun(root, tmp_path_factory.mktemp("queue") / "clone", cluster)
    try:
        yield tell(run, cluster)
    finally:
        run.close()


def tell(run, cluster):
    stages = list(run.plan.stages.values())
    teacher, student = (next(s for s in stages if s.id.startswith(p)) for p in ("T1.pre", "S1.pre"))
    tuned = next(s for s in stages if s.id.startswith("T1.task"))
    leaves = [s for s in stages if s.id.startswith("S1.task")]
    for stage in stages:
        run.hold(stage)
    jobs = {}
    head = run.start()

    # Two stages on two GPUs: one is told that its time is nearly over, the other one is cancelled.
    jobs["warned"], jobs["cancelled"] = run.job_of(teacher), run.job_of(student)
    cluster.run("scancel", jobs["cancelled"])
    cluster.run("scontrol", "update", f"jobid={jobs['warned']}", "TimeLimit=2")
    run.until_job(jobs["cancelled"], "CANCELLED")
    run.until_job(jobs["warned"], "FAILED", "TIMEOUT")

    # The next one loses its node, and gets it back.
    jobs["lost"] = run.job_of(tuned)
    cluster.lose_node()
    run.until_job(jobs["lost"], "PENDING")
    run.release(tuned)
    cluster.start_node()
    # Not two minutes later, but after the order to end what ran on the lost node has come there, too.
    cluster.run("scontrol", "update", f"jobid={jobs['lost']}", "StartTime=now+10")
    run.until_job(jobs["lost"], "COMPLETED")

    # Two short ones share a job. The first finishes, the second is killed, and so its job fails.
    wait_for(lambda: any(run.saved(s) == 1 and run.trainer(s) for s in leaves), PATIENCE, run.why)
    first = next(s for s in leaves if run.trainer(s))
    (second,) = (s for s in leaves if s != first)
    jobs["shared"] = run.job_of(first)
    run.release(first)
    assert run.job_of(second) == jobs["shared"]
    run.kill(second)
    run.until_job(jobs["shared"], "FAILED")

    # The job is submitted again; the head dies and is started once more while it runs.
    jobs["orphan"] = run.job_of(second)
    os.kill(head.pid, signal.SIGKILL)
    head.wait()
    assert run.start("--unlock").wait() == 0
    before = cluster.states()
    head = run.start()
    wait_for(lambda: cluster.states().keys() - before.keys(), PATIENCE, run.why)
    (jobs["again"],) = cluster.states().keys() - before.keys()
    wait_for(lambda: "waiting for its end" in run.words(second, jobs["again"]), PATIENCE, run.why)
    run.release(second)
    run.finish(head)
    return Story(run, jobs, first.id, second.id)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same run in this process, one step after the other."""
    prepare_process(1)
    plan = Plan(load("smoke", OVERRIDES), tmp_path_factory.mktemp("undisturbed"))
    prepare_paper(plan, "glmd")
    for stage in plan.stages.values():
        job = Job(plan.layout, plan.code(stage), torch.device("cpu"), Request.made_now({}))
        (train_tasks if stage.tasks else pretrain)(stage, job)
        if stage.id.startswith("T1.task"):
            store_signals(stage, job)
    collect_scores(plan, "glmd")
    torch.set_flush_denormal(False)
    return plan.layout.root


def contents(root):
    """Bytes of all results; a few files hold times or places."""
    parts = ("text", "stages", "signals", "glmd/scores.csv")
    files = [path for part in parts for path in (root / part, *(root / part).rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if path.name not in ("card.json", "summary.json", ".snakemake_timestamp")
        and path.relative_to(root).parts[:1] + path.relative_to(root).parts[2:] != ("text", SEAL)
    }


def test_all_bytes_are_those_of_an_undisturbed_run(story, undisturbed):
    found, wanted = contents(story.run.results), contents(undisturbed)
    assert found.keys() == wanted.keys() and len(found) > 30
    assert [name for name in found if found[name] != wanted[name]] == []


def test_a_job_is_warned_before_its_time_is_over_and_saves_its_state(story):
    stage, job = story.stage("T1.pre"), story.jobs["warned"]
    assert story.run.cluster.states()[job] == "FAILED"  # it ended by itself
    told = story.run.words(stage, job)
    assert "error: SIGTERM: stopped after update 2 of 8, the state is saved; run the same command" in told


@pytest.mark.parametrize("prefix", ["T1.pre", "S1.pre"])
def test_stopped_jobs_are_submitted_again_and_go_on(story, prefix):
    stage = story.stage(prefix)
    log = (story.run.results / "logs" / f"{stage.id}.log").read_text()
    steps = re.findall(r" pretraining  (\d)/8", log)
    assert steps[0] == "2" and steps[-1] == "8" and "has died" not in log


def test_a_job_that_lost_its_node_goes_back_to_the_queue_and_on(story):
    stage, job = story.stage("T1.task"), story.jobs["lost"]
    shown = story.run.cluster.run("scontrol", "show", "job", job)
    assert "Restarts=1" in shown and "JobState=COMPLETED" in shown
    log = (story.run.results / "logs" / f"{stage.id}.log").read_text()
    assert f"SLURM job {job} has died; taking over" in log
    assert re.findall(r" RTE  (\d)/2", log)[0] == "1"


def test_short_stages_share_a_job_and_its_gpu(story):
    shown = story.run.cluster.run("scontrol", "show", "job", story.jobs["shared"])
    assert "gres:gpu:a100:1" in shown and "NumCPUs=1" in shown
    assert "TimeLimit=00:40:00" in shown  # the sum of two


def test_a_stage_loses_nothing_when_another_one_of_its_job_fails(story):
    stage = story.run.plan.stage(story.first)
    assert "2/2 100%" in story.run.words(stage, story.jobs["shared"])
    told = story.run.words(stage, story.jobs["orphan"])
    assert "was finished before; published again from results/smoke/.finished/" in told and "2/2" not in told


def test_a_stage_that_still_runs_is_waited_for_by_a_workflow_that_was_started_again(story):
    stage = story.run.plan.stage(story.second)
    old, new = (story.run.words(stage, story.jobs[name]) for name in ("orphan", "again"))
    assert f"SLURM job {story.jobs['orphan']} works on it; waiting for its end" in new
    assert "2/2 100%" in old and "2/2" not in new and "was finished before" in new


def test_jobs_without_a_gpu_stay_away_from_those_that_have_one(story):
    ended = (story.run.cluster.folder / "finished.txt").read_text().splitlines()
    partitions = {}
    for line in ended:
        job, where = re.search(r"JobId=(\d+) ", line)[1], re.search(r"Partition=(\w+)", line)[1]
        partitions[job] = where
    logs = {path.stem: path for path in story.run.folder.glob("results/slurm-logs/**/*.log")}
    assert set(logs) == set(partitions)
    for job, path in logs.items():
        on_cpu = any(f"rule_{name}" in str(path) for name in ("data", "text", "examples"))
        assert partitions[job] == ("cpu" if on_cpu else "gpu"), path
    assert sum(where == "cpu" for where in partitions.values()) == 4


def test_nothing_is_left_behind(story):
    results = story.run.results
    assert not list(results.glob(".scratch/*")) and not list(results.glob(".leases/*"))
    assert not (results / ".finished").exists() and (story.run.folder / TARGET).is_file()
