"""Two processes come to what one comes to, share models out, survive accidents, and end rather than hang."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys

import pytest
import sharded_ranks
import torch
from newest import evaluate_and_keep
from two_processes import ENVIRONMENT, ROOT, in_two

from retort.config.model import as_text
from retort.data.parts import prepare_paper
from retort.errors import RetortError
from retort.models.checkpoint import load_glm, load_tensors
from retort.runcard import Request
from retort.training import tasks
from retort.training.pretraining import pretrain
from retort.training.setup import Job, prepare_process, starting_family
from retort.training.signals import store_signals
from retort.training.tasks import train_tasks
from retort.training.vocabularies import make_vocabulary

STAGES = [("TinyBERT", 0), ("GLMD", 0), ("TinyBERT", 1)]
"""With a lens; towards words in a compressed vocabulary; on tasks, with the lens carried on."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Results of one process: all that the stages need, and the stages themselves."""
    prepare_process(1)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(tasks.TaskTraining, "_evaluate", evaluate_and_keep)
    plan = sharded_ranks.plan_in(tmp_path_factory.mktemp("alone"))
    prepare_paper(plan, "glmd")
    wanted = [sharded_ranks.stage_of(plan, *stage) for stage in STAGES]
    waiting = list(wanted)
    needed = {}
    while waiting:
        stage = waiting.pop()
        needed = {stage.id: stage} | needed
        waiting += stage.ancestors()
    for stage in sorted(needed.values(), key=list(plan.stages.values()).index):
        job = Job(plan.layout, plan.code(stage), torch.device("cpu"), Request.made_now({}))
        if stage.compression is not None:
            make_vocabulary(stage, job)
        (pretrain if stage.phase == "pretraining" else train_tasks)(stage, job)
        if stage.architecture.name == "T1" and stage.phase == "task":
            store_signals(stage, job)
    monkeypatch.undo()
    return plan


@pytest.fixture(scope="module")
def root(alone, tmp_path_factory):
    """Copies of one process's results in which two processes did the stages again, some with accidents."""
    root = tmp_path_factory.mktemp("together")
    for name in ("two", "killed", "damaged", "other"):
        # Published results are replaced; the task stage is made first, from what one process pretrained.
        shutil.copytree(alone.layout.root, root / name / alone.layout.root.name)
    (root / "stderr").write_text(in_two(ROOT / "tests" / "sharded_ranks.py", "disturbed", root))
    return root


def folder(results, method, number):
    plan = sharded_ranks.plan_in(results)
    return plan.layout.stage(sharded_ranks.stage_of(plan, method, number))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def pairs_of_models(one, other):
    """Folders of the models below a stage's folder, and of their counterparts."""
    found = sorted(path.parent.relative_to(one) for path in one.rglob("model.safetensors"))
    assert found and all((other / path / "model.safetensors").is_file() for path in found)
    return [(one / path, other / path) for path in found]


# The same as one process


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: "-".join(map(str, stage)))
def test_two_processes_train_the_model_that_one_trains(alone, root, stage):
    mine, theirs = folder(alone.layout.root.parent, *stage), folder(root / "two", *stage)
    for one, two in pairs_of_models(mine, theirs):
        expected, found = (load_tensors(each / "model.safetensors") for each in (one, two))
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
        assert load_glm(two).config == load_glm(one).config
        assert (one / "lenses.safetensors").exists() == (two / "lenses.safetensors").exists()
        if (one / "lenses.safetensors").exists():
            for name, tensor in load_tensors(one / "lenses.safetensors").items():
                torch.testing.assert_close(
                    load_tensors(two / "lenses.safetensors")[name], tensor, rtol=1e-5, atol=1e-6
                )


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: "-".join(map(str, stage)))
def test_the_models_compared_were_trained(alone, root, stage):
    """Two models that nobody trained would agree as well: these moved by far more than they may differ."""
    made = sharded_ranks.stage_of(alone, *stage)
    for folder_of_one, _ in pairs_of_models(alone.layout.stage(made), folder(root / "two", *stage)):
        trained = load_tensors(folder_of_one / "model.safetensors")["word_embeddings.weight"]
        if made.init is not None:
            start = load_tensors(alone.layout.stage(made.init) / "model.safetensors")[
                "word_embeddings.weight"
            ]
        else:
            job = Job(alone.layout, "", torch.device("cpu"), Request.made_now({}))
            start = starting_family(made, job, None).module.word_embeddings.weight.detach()
        assert float((trained - start).abs().max()) > 1e-3


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: "-".join(map(str, stage)))
def test_two_processes_report_what_one_reports(alone, root, stage):
    mine, theirs = folder(alone.layout.root.parent, *stage), folder(root / "two", *stage)
    for one, two in pairs_of_models(mine, theirs):
        for name in ("log.jsonl", "distances.jsonl", "predictions.jsonl"):
            if (one / name).exists():
                expected, found = lines(one / name), lines(two / name)
                assert len(found) == len(expected) > 0
                for ours, other in zip(found, expected, strict=True):
                    assert numbers(ours) == pytest.approx(numbers(other), rel=1e-4, abs=2e-5)
                    assert ours.get("key") == other.get("key")
                    assert ours.get("prediction") == other.get("prediction")
        cards = [json.loads((each / "card.json").read_text()) for each in (one, two)]
        assert [card["processes"] for card in cards] == [1, 2]
        assert cards[0]["tokens"] == cards[1]["tokens"] > 0 and cards[0]["steps"] == cards[1]["steps"] > 0


def numbers(value):
    """All numbers inside plain data, in order."""
    if isinstance(value, dict):
        return [n for key in sorted(value) for n in numbers(value[key])]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_only_the_first_process_reports(root):
    told = [line for line in (root / "stderr").read_text().splitlines() if "  starting" in line]
    names = [line.split()[0] for line in told]
    # Each stage once undisturbed; killed and resumed, twice; one that is only killed.
    once = {name: names.count(name) for name in names}
    assert sorted(once.values()) == [3, 3, 4]


# Sharing


def test_each_process_holds_half_of_a_model(root):
    shares = [json.loads((root / f"share-{rank}.json").read_text()) for rank in (0, 1)]
    assert sum(share["held"] for share in shares) == shares[0]["whole"]
    assert all(abs(share["held"] / share["whole"] - 0.5) < 0.01 for share in shares)
    # After a pass the tables stay, whose rows a loss may read; blocks are given back.
    for share in shares:
        tables = share["whole"] - share["blocks"]
        assert share["after"] == pytest.approx(tables + share["blocks"] / 2, rel=0.01)


# Accidents


def test_what_the_first_process_cannot_read_is_told_to_all(root):
    errors = {json.loads((root / f"share-{rank}.json").read_text())["error"] for rank in (0, 1)}
    (error,) = errors
    assert error.endswith("no such file; run the step that writes it first")


@pytest.mark.parametrize(
    ("name", "stage"), [("killed", STAGES[0]), ("killed", STAGES[2]), ("damaged", STAGES[1])]
)
def test_a_killed_run_ends_with_the_same_bytes(root, name, stage):
    undisturbed, resumed = (folder(root / each, *stage) for each in ("two", name))
    files = {path.relative_to(undisturbed) for path in undisturbed.rglob("*") if path.is_file()}
    assert files == {path.relative_to(resumed) for path in resumed.rglob("*") if path.is_file()}
    for file in files:
        assert file.name == "card.json" or (resumed / file).read_bytes() == (undisturbed / file).read_bytes()
    assert not list((root / name).glob("*/.scratch/*"))


def test_a_part_that_is_damaged_sends_all_back_to_the_state_before(root):
    told = (root / "stderr").read_text()
    assert "1-of-2/state-000000005-" in told and "damaged, going back to the state before it" in told
    assert "pretraining  2/8" in told


def test_one_process_does_not_go_on_from_the_states_of_two(root):
    plan = sharded_ranks.plan_in(root / "other")
    stage = sharded_ranks.stage_of(plan, "TinyBERT", 0)
    job = Job(plan.layout, plan.code(stage), torch.device("cpu"), Request.made_now({}))
    with pytest.raises(RetortError) as error:
        pretrain(stage, job)
    message = str(error.value)
    assert "holds the training state of 2 process(es), this run has 1: go on with 2" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("how", "said"), [("dead", "lost another"), ("stuck", "no answer for 10 s from another")]
)
def test_a_process_that_is_left_alone_ends_and_says_so(root, how, said):
    """Without torchrun, which would end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**ENVIRONMENT, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command = [sys.executable, "tests/sharded_ranks.py", "unwell", str(root / "two"), how]
    first, second = (
        subprocess.Popen(
            command,
            env={**shared, "RANK": rank, "LOCAL_RANK": rank},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    )
    try:
        told = first.communicate(timeout=120)[1].splitlines()
    finally:
        second.kill()
        second.communicate()
    assert first.returncode == 1
    errors = [line for line in told if line.startswith("error:")]
    assert len(errors) == 1 and f"process 0 of 2: {said} process of this stage" in errors[0]
    assert "Traceback" not in "".join(told)


# The scripts


def test_the_same_script_runs_under_torchrun(alone, root, tmp_path):
    hidden = shutil.ignore_patterns(".finished")
    shutil.copytree(alone.layout.root, tmp_path / alone.layout.root.name, ignore=hidden)
    config = tmp_path / "config.json"
    config.write_text(as_text(alone.config))
    stage = sharded_ranks.stage_of(alone, "TinyBERT", 0)
    made = alone.layout.stage(stage).relative_to(alone.layout.root.parent)
    shutil.rmtree(tmp_path / made)
    in_two(
        "scripts/pretrain.py",
        "--config",
        config,
        "--results",
        tmp_path,
        "--stage",
        stage.id,
        "--threads",
        "2",
    )
    published = (tmp_path / made / "model.safetensors").read_bytes()
    assert published == (folder(root / "two", "TinyBERT", 0) / "model.safetensors").read_bytes()
    card = json.loads((tmp_path / made / "card.json").read_text())
    assert card["processes"] == 2 and card["device"]["threads"] == 1
    assert card["command"].startswith("torchrun --nproc-per-node 2 scripts/pretrain.py")
