"""A changed value changes just what it can affect; tables and searches of hyper-parameters."""

from __future__ import annotations

import pytest
from small_plans import METHODS, chain, names, plan

from retort.config import REPOSITORY, load
from retort.errors import InputError
from retort.plan import Plan

# What a changed value changes

ALL = set(names(plan()))
TEACHER = {"teacher", "tuned"}
PRETRAINED = {f"{m}{n}.{s}" for m in METHODS[1:] for n in range(3) for s in (1, 2)} & ALL
DISTILLED_FIRST = {name for name in PRETRAINED if not name.startswith("PD")}
STUDENTS = ALL - TEACHER
TASK_STUDENTS = STUDENTS - {f"{m}0.{s}" for m in METHODS[1:] for s in (1, 2)}
GLMD = {name for name in ALL if name.startswith("GLMD") and not name.startswith("GLMD-vc")}


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"device": "auto"}, set()),
        ({"gates": {"fine_tuned_average": 1}}, set()),
        ({"models": {"Z9": load("smoke").models["S1"].model_dump()}}, set()),
        ({"task_training": {"learning_rate": {"student": 0.5}}}, TASK_STUDENTS),
        ({"task_training": {"learning_rate": {"teacher": 0.5}}}, {"tuned"} | TASK_STUDENTS),
        ({"task_training": {"epochs": 9}}, {"tuned"} | TASK_STUDENTS),
        ({"pretraining": {"student": {"steps": 9}}}, PRETRAINED),
        ({"pretraining": {"teacher": {"steps": 9}}}, ALL - {"PD0.1", "PD0.2"}),
        ({"pretraining": {"masking": "paper"}}, ALL),
        ({"models": {"S1": {"layers": 1}}}, STUDENTS),
        ({"models": {"T1": {"layers": 3}}}, ALL - {"PD0.1", "PD0.2"}),
        ({"compression": {"multiple_of": 16}}, GLMD),
        ({"compression": {"reserved_targets": True}}, GLMD),
        ({"data": {"pocket": {"world_seed": 2}}}, ALL),
        ({"data": {"vocabulary": {"multiple_of": 64}}}, ALL),
        ({"precision": "bfloat16"}, ALL),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_value_changes_just_what_it_can_affect(overrides, changed):
    before, after = names(plan()), names(plan(overrides))
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        ({"seeds": [1, 2, 3]}, ALL),
        ({"seeds": [2]}, {n for n in ALL if n[-1] != "1"}),
        ({"methods": ["KD"]}, None),
    ],
)
def test_more_or_fewer_cells_leave_the_others_as_they_are(overrides, kept):
    before, after = names(plan()), names(plan(overrides))
    common = before.keys() & after.keys()
    assert all(before[name] == after[name] for name in common)
    assert kept is None or common == kept


def test_scales_do_not_share_folders():
    assert plan().layout.root.name == "smoke" and plan(scale="pocket").layout.root.name == "pocket"


def test_ids_are_file_names():
    for name in plan(scale="paper").stages:
        assert len(name) < 100 and "/" not in name and " " not in name


# Hyper-parameters


def hyper_parameters(tmp_path, text):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return {"task_training": {"hyper_parameters": str(path)}}


HEAD = "method,config,task,batch_size,learning_rate\n"


def test_a_table_of_hyper_parameters_overrides_both(tmp_path):
    rows = "TinyBERT,T1-S1,RTE,4,7e-6\nGLM (teacher),T1,CB,2,3e-5\nTinyBERT,T2-S2,RTE,1,1\n"
    found = plan(hyper_parameters(tmp_path, HEAD + rows))
    runs = {run.task: run for run in chain(found, "TinyBERT")[1].schooling}
    assert (runs["RTE"].batch_size, runs["RTE"].optimiser.learning_rate) == (4, 7e-6)
    assert (runs["CB"].batch_size, runs["CB"].optimiser.learning_rate) == (8, 1e-3)
    tuned = {run.task: run for run in found.cells[0].stages[0].schooling}
    assert (tuned["CB"].batch_size, tuned["CB"].optimiser.learning_rate) == (2, 3e-5)
    assert names(found)["KD0.1"] != names(plan())["KD0.1"]  # its teacher changed
    assert names(found)["PD0.1"] == names(plan())["PD0.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "KD,T1-S1,RTE,4,1e-5\nKD,T1-S1,CB,few,1e-5\n",
            "rates.csv:3: batch_size 'few' and learning_rate '1e-5' are to be",
        ),
        (HEAD + "KD,T1-S1,RTE,4\n", "rates.csv:2: batch_size '4' and learning_rate None"),
        ("method,task\nKD,RTE\n", "rates.csv:1: column 'config' is missing; the columns are method, config"),
    ],
)
def test_a_malformed_table_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        plan(hyper_parameters(tmp_path, text))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_table_is_named():
    with pytest.raises(InputError, match="task_training.hyper_parameters: nowhere.csv is not a file"):
        plan({"task_training": {"hyper_parameters": "nowhere.csv"}})


# Search

GRID = {"learning_rates": [2e-5, 5e-6], "batch_sizes": [32, 16]}
SEARCH = {"task_training": {"search": GRID}}


def test_a_search_puts_its_points_into_the_stages_there_are():
    found, before = plan(SEARCH), plan()
    assert len(found.stages) == len(before.stages)
    grid = [(16, 5e-6), (16, 2e-5), (32, 5e-6), (32, 2e-5)]
    for new, old in zip(found.stages.values(), before.stages.values(), strict=True):
        assert (new.id == old.id) == (new.phase == "pretraining") and new.tasks == old.tasks
        points = [(run.task, run.batch_size, run.optimiser.learning_rate) for run in new.runs.values()]
        assert points == [(task, *point) for task in old.tasks for point in grid]


def test_the_order_of_a_search_is_no_part_of_its_stages():
    turned = {name: values[::-1] for name, values in GRID.items()}
    assert names(plan({"task_training": {"search": turned}})) == names(plan(SEARCH))


def test_a_search_of_one_point_is_that_point():
    one = {"search": {"learning_rates": [1e-3], "batch_sizes": [8]}}
    teachers = {"learning_rate": {"teacher": 1e-3}}
    assert names(plan({"task_training": one})) == names(plan({"task_training": teachers}))


def test_the_paper_s_search_costs_runs_but_no_stage():
    own = {"papers": ["glmd"]}
    chosen = plan(own, scale="paper")
    searched = Plan(load(REPOSITORY / "config" / "paper-search.yaml", own))
    assert len(searched.stages) == len(chosen.stages)
    runs = [sum(len(stage.runs) for stage in each.stages.values()) for each in (chosen, searched)]
    assert runs[1] == 6 * runs[0] > 0
    pretrained = [
        {s.id for s in each.stages.values() if s.phase == "pretraining"} for each in (chosen, searched)
    ]
    assert pretrained[0] == pretrained[1] and searched.layout == chosen.layout
    points = {
        (run.batch_size, run.optimiser.learning_rate)
        for stage in searched.stages.values()
        for run in stage.runs.values()
    }
    assert points == {(size, rate) for size in (16, 32) for rate in (5e-6, 1e-5, 2e-5)}
