"""From a run card to the smallest plan that makes its run again, and what differs, in words."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from retort import rerun
from retort.config import REPOSITORY, load
from retort.config.model import as_text
from retort.errors import InputError, RetortError
from retort.files import write_json
from retort.plan import Plan
from retort.recipes import cka
from retort.rerun import case_of, read_whole
from retort.runcard import RERUN_FIELDS, VERSION
from retort.stages import to_json

RECIPES = """
from dataclasses import dataclass
from retort.distill.distances import MSE, Distance
from retort.distill.objective import soft
from retort.recipes import Method, finetune

@dataclass(frozen=True)
class Own(Distance):
    scale: float

    def __call__(self, student, teacher):
        return self.scale * (student - teacher).square().mean(-1)

METHODS = (Method("mine", (finetune(soft(Own(2.0))),), "Me (2030)."),)
"""


def card_of(config, stage, **changes):
    """A card with all that a rerun reads."""
    card = {
        "version": VERSION,
        "code": "",
        "data": {},
        "inputs": {},
        "packages": {},
        "python": "",
        "device": {"name": "p"},
        "peak_memory_mib": {},
        "started": "2030",
        "finished": "2030",
        "seconds": 1.0,
        "steps": 1,
        "tokens": 1,
        "tokens_per_second": 1.0,
        "git_changes": "none",
        "results": {"best": {"accuracy": 50.0}, "weights": "aa"},
        "stage": to_json(stage) | ({"task": "RTE", "run": "RTE"} if stage.phase == "task" else {}),
        "config": json.loads(as_text(config)),
        "recipes": None,
        "git_commit": "0123456789",
        "command": "python scripts/distill_task.py --stage x",
    }
    return card | changes


@pytest.fixture
def written(tmp_path):
    """``written(config, stage)``: the path of their card."""

    def write(config, stage, **changes):
        path = tmp_path / "mail" / "card.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(card_of(config, stage, **changes)))
        return path

    return write


def last_stage(plan, method):
    return next(cell for cell in plan.cells if cell.method == method).stages[-1]


def test_a_card_alone_gives_a_working_folder(written, tmp_path):
    config = load("smoke", {"seeds": [1, 5], "task_training": {"epochs": 2}})
    plan = Plan(config)
    stage = next(cell for cell in plan.cells if (cell.method, cell.seed) == ("KD", 5)).stages[0]
    case = case_of(written(config, stage), tmp_path / "again", {})
    assert case.stage == stage and case.plan.config.seeds == (5,)
    assert case.plan.code(case.stage) == plan.code(stage)
    assert load(tmp_path / "again" / "config.json") == case.plan.config
    assert (tmp_path / "again" / "Snakefile").resolve() == REPOSITORY / "Snakefile"
    place = tmp_path / "again" / "results" / "smoke" / "stages" / stage.id
    assert case.target == place / "metrics.json" and case.model == place / "tasks" / "RTE"
    teacher = case_of(written(config, plan.pretrained("T1")), tmp_path / "again", {})
    assert teacher.target.name == "model.safetensors" and teacher.model == teacher.target.parent


def test_a_card_of_a_track_gives_its_track_and_row(written, tmp_path):
    config = load("smoke")
    stage = next(cell for cell in Plan(config).cells if cell.method == "T5 CKA").stages[0]
    case = case_of(written(config, stage), tmp_path / "again", {})
    assert case.stage == stage and case.plan.config.papers == ("cka",)
    assert load(tmp_path / "again" / "config.json") == case.plan.config
    assert {cell.method for cell in case.plan.cells if cell.method.startswith("T5")} <= {
        *("T5", "T5 CKA"),
        min(load("smoke").cka.tracks["t5"].methods, key=[m.name for m in cka.METHODS].index),
    }


def test_paths_may_differ_though_stages_are_named_after_them(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load("real", {"data_root": "/theirs", "import_teacher": {"T1": "/theirs/T1"}})
    stage = last_stage(Plan(config), "KD")
    changes = {"data_root": "mine", "import_teacher": {"T1": "mine/T1"}, "device": "cpu"}
    case = case_of(written(config, stage), tmp_path / "again", changes)
    assert case.stage.id != stage.id and case.stage.objective == stage.objective
    pairs = list(zip(case.stage.schooling, stage.schooling, strict=True))
    assert all(replace(mine, text=theirs.text) == theirs != mine for mine, theirs in pairs)
    assert case.stage.seed == stage.seed
    assert case.stage.init is None and case.stage.teachers[0].init.imported == str(tmp_path / "mine" / "T1")
    assert case.plan.config.data_root == str(tmp_path / "mine") and case.plan.config.device == "cpu"


def test_a_scale_of_somebody_s_own_needs_no_file(written, tmp_path):
    stage = last_stage(Plan(load("pocket")), "KD")
    config = load("pocket").model_copy(update={"scale": "hers"})
    case = case_of(written(config, stage), tmp_path / "again", {})
    assert case.stage == stage and case.plan.config.gates.zero_shot == config.gates.zero_shot


def test_other_stages_are_no_rerun(written, tmp_path):
    config = load("smoke")
    path = written(config, last_stage(Plan(config), "KD"))
    with pytest.raises(InputError, match="--config: makes other stages than the card's"):
        case_of(path, tmp_path / "again", {"seeds": [1, 2]})


def test_recipes_travel_with_the_card(written, tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text(RECIPES)
    config = load("smoke", {"recipes": str(own)})
    plan = Plan(config)
    stage = last_stage(plan, "mine")
    path = written(config, stage, recipes=RECIPES)
    own.unlink()
    case = case_of(path, tmp_path / "again", {})
    assert case.stage.id == stage.id and (tmp_path / "again" / "own.py").read_text() == RECIPES
    assert "brings Python code of its own" in capsys.readouterr().out


def test_a_stage_of_another_version_names_the_commit(written, tmp_path):
    config = load("smoke")
    path = written(config, replace(last_stage(Plan(config), "KD"), seed=77))
    with pytest.raises(InputError, match="plans no such stage; check out the commit 0123456789"):
        case_of(path, tmp_path / "again", {})


def test_cards_that_cannot_be_used_are_told_from_each_other(tmp_path):
    path = tmp_path / "card.json"
    path.write_text('{"version": 1, "stage": {}, "command": "python x.py"}')
    with pytest.raises(InputError, match=r"of version \d+; remove .* and train it again: python x.py$"):
        read_whole(path)
    for text in ("[]", "{}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"no run card of version \d+; name the card.json of a run"):
            read_whole(path)
    config = load("smoke")
    whole = card_of(config, last_stage(Plan(config), "KD"))
    for name in sorted(RERUN_FIELDS):
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(InputError, match=f"field '{name}' is missing"):
            read_whole(path)
    for found in ({"weights": "aa"}, {"last_loss": 1.0}):
        path.write_text(json.dumps(whole | {"results": found}))
        with pytest.raises(InputError, match="lacks scores or weights"):
            read_whole(path)
    path.write_text(json.dumps(whole | {"results": {"weights": "aa", "last_loss": None}}))
    assert read_whole(path)["config"] == whole["config"]


def test_a_folder_in_use_is_left_alone(written, tmp_path):
    config = load("smoke")
    (tmp_path / "again" / "rules").mkdir(parents=True)
    with pytest.raises(InputError, match="rules: is in the way"):
        case_of(written(config, last_stage(Plan(config), "KD")), tmp_path / "again", {})


@pytest.mark.parametrize("score", [50.0, 62.5])
def test_what_comes_out_is_compared_with_the_card(written, tmp_path, monkeypatch, capsys, score):
    config = load("smoke")
    plan = Plan(config)
    stage = last_stage(plan, "KD")
    ended = {"device": {"name": "p"}, "results": {"best": {"accuracy": 50.0}, "weights": "aa"}}
    ended["inputs"] = {f"results/hers/stages/T1.x/tasks/RTE/w.{name}": name for name in ("a", "b")}
    past = {"finished": "2030", "git_changes": "none", "code": "", "python": "", "packages": {}}
    path = written(config, stage, **ended, **past, data={"RTE/val.jsonl": "c0", "old.txt": "de"})
    targets = []

    def make(case, target, cores):
        targets.append(target.name)
        if target.name == "summary.json":
            read = {"/here/RTE/val.jsonl": "c0"} if target.parent.name.startswith("RTE.") else {}
            write_json(target, {"sha256": read})
            return
        found = ended | {"results": {"best": {"accuracy": score}, "weights": f"{score}"}}
        found["inputs"] = {"/my/stages/T1.x/tasks/RTE/w.a": "a", "/my/stages/T1.x/tasks/RTE/w.b": "c"}
        write_json(case.model / "card.json", card_of(config, stage, **found))

    monkeypatch.setattr(rerun, "_make", make)
    assert rerun.rerun(path, tmp_path / "again", 1, {}) == (score == 50)
    assert targets == [
        "summary.json",
        "summary.json",
        "metrics.json",
    ]  # data are compared before anything is trained
    lines = capsys.readouterr().out.splitlines()
    assert "data: old.txt: de on the card, none here" in lines and "device: as on the card" in lines
    assert "inputs: stages/T1.x/tasks/RTE/w.b: b on the card, c here" in lines
    assert sum(line.startswith("inputs: ") for line in lines) == 1
    same = "as on the card" if score == 50 else "accuracy: 50.0 on the card, 62.5 here (+12.5)"
    assert f"scores: {same}" in lines and lines[-1].startswith("weights: not equal bit by bit")


def test_a_stopped_workflow_is_one_line(written, tmp_path, monkeypatch):
    config = load("smoke")
    case = case_of(written(config, last_stage(Plan(config), "KD")), tmp_path / "again", {})
    asked = []

    def stopped(command, cwd, **_):
        asked.append((command[1:], cwd))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", stopped)
    with pytest.raises(RetortError, match="metrics.json: the workflow stopped"):
        rerun._make(case, case.target, 3)
    ((command, folder),) = asked
    target = str(case.target.relative_to(folder))
    assert folder == tmp_path / "again" and command[:3] == ["-m", "snakemake", target]
    assert command[3:] == ["--cores", "3", "--configfile", "config.json", "--no-hooks"]
