"""A search: all points of a task in one job, apart from stage to stage, the best of each published."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from retort.config import load, merge
from retort.data.superglue.tasks import SPECS
from retort.evaluation.collect import choices
from retort.evaluation.selection import own_best
from retort.files import read_json
from retort.models.checkpoint import load_glm, load_tensors
from retort.plan import Plan
from retort.stages import task_of
from retort.training import tasks as module
from retort.training.setup import load_frozen, starting_family
from retort.training.tasks import train_tasks

TASKS = ("RTE", "COPA")
POINTS = ("8-0.0005", "8-0.002", "16-0.0005", "16-0.002")
NAMES = tuple(f"{task}@{point}" for task in TASKS for point in POINTS)
SEARCH = {
    "methods": ["KD", "TinyBERT"],
    "seeds": [1, 2],
    "variants": {"tables": [], "quirks": []},
    "task_training": {
        "tasks_per_job": len(TASKS),
        "search": {"learning_rates": [2e-3, 5e-4], "batch_sizes": [16, 8]},  # in no order
    },
}


@pytest.fixture(scope="module")
def searched(workshop, tmp_path_factory):
    """A teacher and two methods with two seeds, searched on the first group of tasks."""
    results = tmp_path_factory.mktemp("searched")
    shutil.copytree(workshop.plan.layout.root, results / "smoke")
    config = load("smoke", merge(_overrides(workshop), SEARCH))
    made = type(workshop)(Plan(config, results))
    for stage in made.plan.stages.values():
        if stage.tasks == TASKS or (stage.phase == "pretraining" and not _folder(made, stage).exists()):
            made.run(stage)
    return made


def _overrides(workshop):
    """The workshop's own configuration, so that texts and pretrained models are there already."""
    return workshop.plan.config.model_dump(mode="json")


def _folder(workshop, stage):
    return workshop.plan.layout.stage(stage)


def cell_of(workshop, method, seed=1):
    return next(c for c in workshop.plan.cells if c.method == method and c.seed == seed)


def last(workshop, method):
    """A method's last stage on the first group of tasks."""
    cells = [c for c in workshop.plan.cells if c.method == method]
    return cells[0].stages[0]


def recorded(workshop, stage, name):
    """Metrics of every evaluation by part of dev: [evaluations] each, averaged over the task's metrics."""
    path = _folder(workshop, stage) / "tasks" / name / "metrics.json"
    evaluations = json.loads(path.read_text())["evaluations"]
    metrics = SPECS[task_of(name)].metrics
    return {
        part: np.array([np.mean([e[part][m] for m in metrics]) for e in evaluations])
        for part in ("all", "select", "report")
    }


# What is made


@pytest.mark.parametrize("method", ["GLM", "KD", "TinyBERT"])
def test_every_point_is_published_in_a_folder_of_its_name(searched, method):
    stage = last(searched, method)
    assert tuple(stage.runs) == NAMES and stage.tasks == TASKS
    folder = _folder(searched, stage)
    assert {path.name for path in (folder / "tasks").iterdir()} == {*NAMES, *TASKS}
    assert set(read_json(folder / "metrics.json")) == set(NAMES)
    for name in NAMES:
        card = read_json(folder / "tasks" / name / "card.json")
        assert (card["stage"]["task"], card["stage"]["run"]) == (task_of(name), name)
    assert not list(searched.plan.layout.root.glob(".scratch/*"))


def test_points_differ_in_nothing_but_their_point(searched):
    for name, run in last(searched, "KD").runs.items():
        assert name == f"{run.task}@{run.batch_size}-{run.optimiser.learning_rate}"
    plain = {
        dataclasses.replace(run.optimiser, learning_rate=1) for run in last(searched, "KD").runs.values()
    }
    assert len(plain) == 1


def test_one_stage_a_seed_whatever_the_search(searched, workshop):
    config = merge(_overrides(workshop), SEARCH | {"task_training": {"tasks_per_job": len(TASKS)}})
    assert len(Plan(load("smoke", config)).stages) == len(searched.plan.stages)


def test_a_points_result_is_independent_of_its_company(searched, tmp_path, contents):
    for method in ("KD", "TinyBERT"):  # stored signals, and a teacher that runs along
        stage = last(searched, method)
        alone = dataclasses.replace(stage, schooling=(stage.runs[NAMES[2]],))
        if stage.init is not None and stage.init.phase == "task":
            stage = stage.init  # the first of its two
            alone = dataclasses.replace(stage, schooling=(stage.runs[NAMES[2]],))
        train_tasks(alone, searched.job(alone))
        mine = contents(_folder(searched, alone) / "tasks" / "RTE")
        assert mine == contents(_folder(searched, stage) / "tasks" / NAMES[2])
        shutil.rmtree(_folder(searched, alone))


# What is chosen


@pytest.mark.parametrize("method", ["GLM", "KD", "TinyBERT"])
def test_a_task_s_own_name_is_the_stage_s_best_run(searched, method):
    stage = last(searched, method)
    for task in TASKS:
        names = [f"{task}@{point}" for point in POINTS]
        best = names[int(np.argmax([recorded(searched, stage, name)["all"].max() for name in names]))]
        folder = _folder(searched, stage) / "tasks"
        assert (folder / task).resolve() == (folder / best).resolve()
        assert own_best(stage, read_json(folder.parent / "metrics.json"))[task] == best


@pytest.mark.parametrize("method", ["GLM", "KD", "TinyBERT"])
def test_a_method_reports_what_numpy_picks(searched, method):
    cells = [dataclasses.replace(c, stages=c.stages[:1]) for c in searched.plan.cells if c.method == method]
    assert len(cells) == (1 if method == "GLM" else 2)
    found = choices(cells, searched.plan)
    for protocol, part in (("paper", "all"), ("held_out", "select")):
        for task in TASKS:
            names = [f"{task}@{point}" for point in POINTS]
            means = [
                np.mean([recorded(searched, cell.stages[0], name)[part].max() for cell in cells])
                for name in names
            ]
            choice = found[task, protocol]
            assert choice.name == names[int(np.argmax(means))]
            assert choice.score == pytest.approx(max(means)) and choice.points == 4
            assert choice.seeds == len(cells)


def test_students_learn_from_the_best_teacher(searched):
    stage = last(searched, "KD")
    (teacher,) = stage.teachers
    for task in TASKS:
        best = own_best(teacher, read_json(_folder(searched, teacher) / "metrics.json"))[task]
        wanted = load_tensors(_folder(searched, teacher) / "tasks" / best / "model.safetensors")
        shown = load_frozen(teacher, searched.job(stage), task).module.state_dict()
        assert all(torch.equal(shown[name], value) for name, value in wanted.items())
    stored = {path.stem for path in searched.plan.layout.signals(teacher).glob("*.safetensors")}
    assert stored == set(TASKS)


def test_the_points_of_two_steps_stay_apart(searched):
    """TinyBERT trains on the tasks twice: each point goes on from its own first step."""
    second = last(searched, "TinyBERT")
    first = second.init
    assert first.tasks == second.tasks == TASKS and tuple(first.runs) == tuple(second.runs)
    for name in NAMES:
        before = _folder(searched, first) / "tasks" / name
        start = starting_family(second, searched.job(second), name).module.state_dict()
        wanted = load_glm(before).state_dict()
        assert all(torch.equal(start[key], value) for key, value in wanted.items())
        inputs = read_json(_folder(searched, second) / "tasks" / name / "card.json")["inputs"]
        assert str(before / "model.safetensors") in inputs
        teacher = _folder(searched, second.teachers[0]) / "tasks" / task_of(name)
        assert str(teacher / "model.safetensors") in inputs
        evaluations = read_json(_folder(searched, second) / "metrics.json")[name]["evaluations"]
        earlier = read_json(_folder(searched, first) / "metrics.json")[name]["evaluations"]
        assert evaluations[0]["all"] in [entry["all"] for entry in earlier]


# Resuming


@pytest.mark.parametrize(
    ("saves", "at", "skip"),
    [({0, 1}, 1, 2), ({1, 2}, 2, 4), (set(), 0, 5)],
    ids=["in the third point", "in the second task", "between points"],
)
@pytest.mark.parametrize("method", ["KD", "TinyBERT"])
def test_a_killed_search_repeats_no_finished_point(
    searched, tmp_path, kill, killed, contents, monkeypatch, method, saves, at, skip
):
    stage = last(searched, method)
    undisturbed = contents(_folder(searched, stage))
    copy = searched.without(stage, tmp_path)
    kill(saves, at, skip)
    with pytest.raises(killed):
        copy.run(stage)
    assert not _folder(copy, stage).exists()
    (scratch,) = copy.plan.layout.root.glob(".scratch/*")
    finished = {path.name for path in scratch.glob("done/*")}
    assert finished == set(NAMES[: len(finished)]) and len(finished) >= skip
    states = {path.parent.name for path in scratch.rglob("state-*.pt")}
    assert states <= {NAMES[len(finished)]}
    kill.off()
    trained, real = [], module.TaskTraining.run
    monkeypatch.setattr(
        module.TaskTraining, "run", lambda self, scratch: (trained.append(self.name), real(self, scratch))[1]
    )
    assert contents(copy.run(stage)) == undisturbed
    assert trained == list(NAMES[len(finished) :])
    assert not scratch.exists()
