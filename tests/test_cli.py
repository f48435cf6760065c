"""What the scripts share: arguments, the plan behind them, one line for a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retort.cli import plan_of, plan_parser, stage_job, stage_parser
from retort.config import load
from retort.config.model import as_text
from retort.errors import InputError
from retort.plan import Plan

SCRIPTS = sorted((Path(__file__).parent.parent / "scripts").glob("*.py"))


def test_a_scale_or_a_run_s_own_file_names_the_configuration(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(as_text(load("smoke", {"seeds": [9]})))
    parser = plan_parser("x")
    by_name = plan_of(parser.parse_args(["--config", "smoke"]))
    by_file = plan_of(parser.parse_args(["--config", str(file), "--results", str(tmp_path)]))
    assert by_name.config.seeds == (1,) and by_file.config.seeds == (9,)
    assert by_name.layout.root == Path("results/smoke") and by_file.layout.root == tmp_path / "smoke"
    assert by_name.pretrained("T1").id == by_file.pretrained("T1").id


def test_a_job_knows_its_code_device_and_command(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scripts/pretrain.py", "--stage", "x"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    plan = Plan(load("smoke"))
    name = plan.pretrained("T1").id
    arguments = stage_parser("x").parse_args(
        ["--config", "smoke", "--results", str(tmp_path), "--stage", name, "--threads", "1"]
    )
    stage, job = stage_job(arguments)
    assert stage == plan.pretrained("T1") and job.code == plan.code(stage)
    assert job.device.type == "cpu" and job.layout.root == tmp_path / "smoke"
    assert job.request.command == ("python", "scripts/pretrain.py", "--stage", "x")
    assert job.request.config == plan.config.model_dump(mode="json")
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_a_step_that_uses_no_gpu_waits_for_none(tmp_path, monkeypatch):
    file = tmp_path / "config.json"
    file.write_text(as_text(load("smoke", {"device": "auto"})))
    asked = []
    monkeypatch.setattr("retort.training.setup.choose_device", lambda name, *_: asked.append(name))
    given = ["--config", str(file), "--stage", Plan(load("smoke")).pretrained("T1").id]
    for gpu in (True, False):
        stage_job(stage_parser("x").parse_args(given), gpu=gpu)
    assert asked == ["auto", "cpu"]


def test_an_unknown_stage_is_refused_before_torch_is_imported():
    script = (
        "import sys; sys.argv = ['x', '--config', 'smoke', '--stage', 'S1.pre.no'];"
        "from retort.cli import *; from retort.errors import *\n"
        "try: stage_job(stage_parser('').parse_args())\n"
        "except InputError as error: sys.exit('torch' if 'torch' in sys.modules else str(error))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "stage 'S1.pre.no' is not in this plan" in ended.stderr


def test_an_unknown_scale_names_the_nearest():
    with pytest.raises(InputError, match="smok: neither a scale nor a file; did you mean 'smoke'"):
        plan_of(plan_parser("x").parse_args(["--config", "smok"]))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_explains_itself(script):
    ended = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and not ended.stderr
    words = ended.stdout.split("\n\n")[1]  # what it does, after the usage
    assert len(words) > 20 and "options:" in ended.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_thin(script):
    """Arguments, a call, nothing else: what can be wrong belongs into the library, where it is tested."""
    assert len(script.read_text().splitlines()) <= 70
