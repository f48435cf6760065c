"""The profile for SLURM: all that it says is understood, and what the plan makes of it can be submitted."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import yaml
from snakemake.cli import get_argument_parser, parse_args
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
from workflow.conftest import make_tree

from retort.config import load
from retort.plan import Plan


@pytest.fixture(scope="module")
def profile(root):
    return yaml.safe_load((root / "profiles" / "slurm" / "config.yaml").read_text())


def test_every_key_is_an_option_of_snakemake_or_the_plugin(profile):
    options = get_argument_parser()._option_string_actions
    assert [key for key in profile if f"--{key}" not in options] == []
    assert {key for key in profile if key.startswith("slurm-")}  # the plugin's are among them


def test_snakemake_reads_what_is_written(profile, root, monkeypatch):
    monkeypatch.chdir(root)
    _, arguments = parse_args(["--workflow-profile", "profiles/slurm", "--dry-run"])
    assert (arguments.executor, arguments.retries, arguments.scheduler) == ("slurm", 20, "greedy")
    assert arguments.rerun_incomplete and arguments.keep_going and arguments.slurm_requeue
    assert arguments.slurm_status_command == "squeue" and "slurm-array-jobs" not in profile
    assert arguments.group_components == {"students": profile["group-components"]["students"]}


def test_the_profile_names_rules_groups_and_resources_that_exist(profile, root):
    rules = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    assert set(profile["set-resources"]) <= set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))
    for name in profile["set-resource-scopes"]:
        assert re.search(rf"^ +{name}=", rules, re.MULTILINE)
    for name in profile["group-components"]:
        assert f'"{name}"' in rules


class Resources(dict):
    """As the plugin reads a job's."""

    __getattr__ = dict.get


PARAMETERS = {
    "run_uuid": "u", "slurm_logfile": "x.log", "comment_str": "c", "account": "-A a", "partition": "-p gpu",
    "workdir": ".",
}  # fmt: skip


@pytest.mark.parametrize("rule", ["pretrain", "distill_task", "signals"])
@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_a_job_on_a_gpu_asks_for_that_gpu_and_for_a_warning(profile, rule, gpus):
    given = profile["set-resources"][rule]
    job = SimpleNamespace(resources=Resources(given, gpu=gpus, runtime=60, mem_mb=8000), threads=1)
    validate_slurm_extra(job)
    call = get_submit_command(job, PARAMETERS) + set_gres_string(job)
    assert f"--gpus=a100:{gpus}" in call and "-t 60 --mem 8000" in call
    assert ("--signal=TERM@120" in call) == (rule != "signals")  # its state is not saved: it is soon done


@pytest.mark.workflow
def test_all_methods_can_be_planned_with_it_and_no_job_waits_for_itself(root, tmp_path):
    """Snakemake refuses groups that wait for each other by way of other jobs."""
    tree = make_tree(root, tmp_path / "clone")
    ended = tree.snakemake("device=auto", "--workflow-profile", "profiles/slurm", "--dry-run")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tasks = sum(stage.phase == "task" for stage in Plan(load("smoke")).stages.values())
    assert re.search(rf"^distill_task +{tasks}$", ended.stdout + ended.stderr, re.MULTILINE)
