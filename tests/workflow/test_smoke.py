"""The whole workflow at its smallest scale: everything is made, once, and survives what happens to runs."""

from __future__ import annotations

import csv
import json
import os
import shutil

import pytest

from retort.config import load
from retort.plan import Plan
from retort.plan_view import files

pytestmark = pytest.mark.workflow

PLAN = Plan(load("smoke"))
RESULTS = "results/smoke"


# What comes out


def test_the_output_contract_holds(smoke):
    paper = smoke.tree.results / "glmd"
    tables = [*(f"table{number}" for number in range(1, 10)), "quirk_effects", "claims"]
    for name in tables:
        assert {path.suffix for path in (paper / "tables").glob(f"{name}.*")} == {".csv", ".md", ".tex"}
    for name in ("overview", "figure2", "figure3", "figure5"):
        assert {path.suffix for path in (paper / "figures").glob(f"{name}.*")} >= {".png", ".svg"}
    page = (smoke.tree.results / "report" / "index.html").read_text(encoding="utf-8")
    assert page.startswith("<!") and len(page) > 10_000
    with (paper / "tables" / "table3.csv").open(newline="") as stream:
        header = next(csv.reader(stream))
    assert header == ["section", "method", "pair", "student_params", "metric", "mean", "sd", "n", "paper"]


def test_every_stage_published_all_its_files_and_a_card(smoke):
    plan = Plan(PLAN.config, smoke.tree.folder / "results")
    for stage in plan.stages.values():
        for path in files(plan, stage):
            assert path.is_file() and (path.stat().st_size or path.suffix == ".jsonl"), path
    made = {path.name for path in (smoke.tree.results / "stages").iterdir()}
    assert made == set(plan.stages)


def test_every_cell_has_its_scores(smoke):
    rows = scores(smoke, "glmd")
    cells = {(row["role"], row["method"], row["pair"], row["seed"]) for row in rows}
    wanted = {(cell.role, cell.method, cell.pair, str(cell.seed)) for cell in PLAN.cells_of("glmd")}
    assert cells == wanted | {("baseline", "majority", "", "")}
    assert len(rows) == len(cells) * 11 * 2  # eleven metrics of eight tasks, two protocols
    assert all(0 <= float(row["value"]) <= 100 for row in rows)


def scores(smoke, paper):
    with (smoke.tree.results / paper / "scores.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("paper", ["cka", "atkd"])
def test_every_cell_of_a_paper_on_transformers_models_has_its_scores(smoke, paper):
    """Of each task the leading metrics at least; those that are correlations go below 0."""
    found: dict[tuple[str, ...], set[str]] = {}
    for row in scores(smoke, paper):
        cell = (row["role"], row["method"], row["pair"], row["seed"])
        found.setdefault(cell, set()).add(row["task"])
        assert -100 <= float(row["value"]) <= 100
    for cell in PLAN.cells_of(paper):
        named = cell.role, cell.method, cell.pair, str(cell.seed)
        assert set(cell.tasks) <= found.pop(named)
    assert {role for role, *_ in found} <= {"baseline"}


def test_every_model_of_the_second_paper_is_timed(smoke):
    with (smoke.tree.results / "cka" / "speed.csv").open(newline="") as stream:
        timed = {(row["track"], row["model"]) for row in csv.DictReader(stream)}
    tracks = PLAN.config.cka.tracks.items()
    assert timed == {(name, symbol) for name, track in tracks for symbol in track.models}


def test_nothing_is_left_behind(smoke):
    assert not list(smoke.tree.results.glob(".scratch/*"))
    assert not [path for path in smoke.tree.results.rglob(".*-*") if path.parent.name != ".progress"]
    states = [json.loads(path.read_text()) for path in (smoke.tree.results / ".progress").iterdir()]
    assert {state["state"] for state in states} == {"done"} and len(states) == len(PLAN.stages)


def test_the_end_says_where_everything_is(smoke):
    assert "results/smoke/report/index.html" in smoke.printed
    assert "GLM " in smoke.printed and "Traceback" not in smoke.printed


# Accidents

KILLER = """
import os, signal
from retort.training import checkpoints, loop

def due(self, real=checkpoints.Scratch.due):
    return True

def update(self, batches, epoch=0, real=loop.Trainer.update):
    if self.step == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, batches, epoch)

checkpoints.Scratch.due = due
loop.Trainer.update = update
"""


def deadly(tree, script, step):
    """Let a script save its state after each update and be killed before update ``step``."""
    path = tree.folder / "scripts" / f"{script}.py"
    path.write_text(path.read_text().replace("\nif __name__", KILLER.format(step=step) + "\n\nif __name__"))


def stage_of(method, phase):
    """The last stage of a method in a phase (seed 1)."""
    stage = next(cell for cell in PLAN.cells if cell.method == method and cell.seed == 1).stages[0]
    while stage.phase != phase:
        stage = stage.init
    return stage


@pytest.mark.parametrize(
    ("method", "phase", "script", "step"),
    [
        ("TinyBERT", "pretraining", "pretrain", 5),
        ("GLMD", "task", "distill_task", 1),
        ("GKD", "task", "distill_task", 1),
    ],
)
def test_a_killed_job_is_finished_by_the_same_command(smoke, root, tmp_path, method, phase, script, step):
    stage = stage_of(method, phase)
    tree = smoke.tree.copy(tmp_path / "clone")
    folder = tree.results / "stages" / stage.id
    undisturbed = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".safetensors", ".jsonl") or path.name == "metrics.json"
    }
    shutil.rmtree(folder)
    deadly(tree, script, step)
    target = f"results/smoke/stages/{stage.id}/" + (
        "metrics.json" if phase == "task" else "model.safetensors"
    )
    ended = tree.snakemake(target=target)
    assert ended.returncode != 0 and not (tree.folder / target).exists()
    assert list(tree.results.glob(f".scratch/{stage.id}-*/**/state-*.pt"))
    shutil.copy(root / "scripts" / f"{script}.py", tree.folder / "scripts" / f"{script}.py")
    ended = tree.snakemake(target=target)
    assert ended.returncode == 0, ended.stderr
    assert {name: (folder / name).read_bytes() for name in undisturbed} == undisturbed
    assert not list(tree.results.glob(".scratch/*"))


def test_a_missed_gate_stops_the_run_with_one_line(smoke, tmp_path):
    tree = smoke.tree.copy(tmp_path / "clone")
    ended = tree.snakemake("gates={'zero_shot': {'RTE': 99.9}}")
    printed = ended.stdout + ended.stderr
    assert ended.returncode != 0 and "Traceback" not in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("error: teacher gates: T1 scores "))
    assert "on RTE before fine-tuning, 99.9 are asked for" in line and "pretraining.teacher.steps" in line
    assert not (tree.results / "gates.json").exists()
    made_again = tree.pending()  # under the gates that were met; exhibits showed the others
    assert made_again[f"{RESULTS}/gates.json"] == "gates"
    assert set(made_again.values()) <= {"gates", "table", "figure", "claims", "report"}


# By hand


@pytest.mark.parametrize(
    ("script", "made"),
    [
        ("prepare_data", lambda plan: plan.layout.data(plan.data["RTE"]) / "manifest.json"),
        ("check_gates", lambda plan: plan.layout.root / "gates.json"),
        ("collect_scores", lambda plan: plan.layout.root / "glmd" / "scores.csv"),
    ],
)
def test_a_step_can_be_run_without_snakemake(smoke, tmp_path, script, made):
    tree = smoke.tree.copy(tmp_path / "clone")
    path = made(Plan(PLAN.config, tree.folder / "results"))
    before = path.read_bytes()
    path.unlink()
    ended = tree.script(script, "--config", "results/smoke/config.json")
    assert ended.returncode == 0, ended.stderr
    if script != "prepare_data":
        assert path.read_bytes() == before
    else:  # the manifest holds absolute paths
        assert json.loads(path.read_text()).keys() == json.loads(before).keys()


def test_a_training_step_can_be_run_without_snakemake(smoke, tmp_path):
    tree = smoke.tree.copy(tmp_path / "clone")
    stage = stage_of("PD", "pretraining")
    model = tree.results / "stages" / stage.id / "model.safetensors"
    before = model.read_bytes()
    shutil.rmtree(model.parent)
    ended = tree.script("pretrain", "--config", "smoke", "--stage", stage.id)
    assert ended.returncode == 0 and model.read_bytes() == before
    assert "tok/s" in ended.stderr and "8/8 100%" in ended.stderr


def test_the_plan_can_be_shown(smoke):
    ended = smoke.tree.script("show_plan", "--config", "results/smoke/config.json")
    lines = ended.stdout.splitlines()
    assert f"{len(PLAN.stages)} with sharing" in lines[-1]
    for name in PLAN.stages:
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert line.endswith("  made")
    one = json.loads(smoke.tree.script("show_plan", "--config", "smoke", "--stage", name).stdout)
    assert one["id"] == name and all((smoke.tree.folder / file).is_file() for file in one["files"])


def test_watching_a_finished_run(smoke):
    ended = smoke.tree.script("watch", "results/smoke", "--once")
    assert ended.returncode == 0 and f"0 running, {len(PLAN.stages)} finished" in ended.stdout


def test_the_workflow_passes_its_linter(smoke):
    ended = smoke.tree.snakemake("--lint")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_run_needs_no_write_access_outside_its_results(smoke):
    changed = {path.name for path in smoke.tree.folder.iterdir()}
    assert changed == {
        "Snakefile", "rules", "config", "config.yaml", "envs", "profiles", "resources", "scripts", "src",
        "results", ".snakemake",
    }  # fmt: skip
    assert os.listdir(smoke.tree.folder / "results") == ["smoke"]
