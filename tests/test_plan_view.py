"""The plan for people: every stage, who uses it, what sharing saves."""

from __future__ import annotations

import json

import pytest

from retort.config import load
from retort.errors import InputError
from retort.plan import Plan
from retort.plan_view import LISTED, counts, details, files, is_made, overview

FEW = {
    "papers": ["glmd"],
    "methods": ["KD", "PD", "TinyBERT", "GLMD-vc", "GLMD"],
    "pairs": ["T1-S1"],
    "seeds": [1, 2],
    "variants": {"tables": []},
}
"""Of all that the smoke scale has, what can be counted by hand."""


@pytest.fixture
def plan(tmp_path):
    return Plan(load("smoke", FEW), tmp_path)


def test_every_stage_has_its_line(plan):
    lines = overview(plan).splitlines()
    assert lines[0].startswith("scale smoke: 11 cells (method, pair, seed), results in")
    assert lines[1].split()[:7] == ["glmd", "11", "cells,", "8", "tasks,", "26", "stages,"]
    assert "9 pretraining stages" in lines and "17 task stages" in lines
    for name in plan.stages:
        assert sum(line.split()[:1] == [name] for line in lines) == 1


def test_a_line_says_who_stands_on_a_stage(plan):
    lines = {line.split()[0]: line for line in overview(plan).splitlines() if line.startswith("  ")}
    teacher = lines[plan.pretrained("T1").id]
    assert "for GLM T1, KD T1-S1 x2, PD T1-S1 x2" in teacher and "made" not in teacher
    last = plan.cells[-1].stages[0]
    assert (
        f"from {last.init.digest[:6]}  taught by {last.teachers[0].digest[:6]}  for GLMD T1-S1"
        in lines[last.id]
    )


def test_costs_come_first(plan):
    lines = overview(plan, devices=3).splitlines()
    titles = ("device time", "wall time", "critical path", "disk", "sharing", "core-hours by method")
    places = [next(i for i, line in enumerate(lines) if line.strip().startswith(title)) for title in titles]
    assert places == sorted(places) and places[-1] < 20
    assert places[-1] < lines.index("9 pretraining stages")
    assert "on 3 cores" in lines[places[1]]
    stage = next(iter(plan.stages))
    assert any(line.split()[:1] == [stage] and line.split()[2] == "h" for line in lines)


def test_a_long_list_is_cut_unless_all_is_asked_for(tmp_path):
    plan = Plan(load("paper"), tmp_path)
    tuned = [name for name, stage in plan.stages.items() if stage.phase == "task"]
    short, whole = overview(plan, 8), overview(plan, 8, everything=True)
    assert f"  .. and {len(tuned) - LISTED:,} more; --all lists them" in short and tuned[-1] not in short
    assert tuned[-1] in whole and "--all" not in whole
    assert max(map(len, short.splitlines())) < 250 < max(map(len, whole.splitlines()))


def test_papers_and_tracks_have_their_lines(tmp_path):
    """Together they are all that is trained, however stages are shared within a paper."""
    plan = Plan(load("smoke"), tmp_path)
    lines = [line.split() for line in overview(plan).splitlines()]
    stages = {
        words[0]: int(words[5])
        for words in lines
        if words[2:3] == ["cells,"] and words[0] in ("glmd", "cka", "atkd", "bert", "bart", "mbart", "t5")
    }
    assert stages["glmd"] + stages["cka"] + stages["atkd"] == len(plan.stages)
    assert stages["bert"] + stages["bart"] + stages["mbart"] + stages["t5"] == stages["cka"]


def test_sharing_is_counted(plan, tmp_path):
    # Teacher alone 2; KD 3 with its teacher, PD 4, the others 5; two seeds each.
    assert counts(plan) == (2 + 2 * (3 + 4 + 5 + 5 + 5), 26)
    assert overview(plan).endswith("46 stages if every cell ran by itself, 26 with sharing (20 saved)")
    assert counts(Plan(load("smoke", FEW | {"methods": ["KD"], "seeds": [1]}), tmp_path)) == (5, 3)


@pytest.mark.parametrize("number", [0, -1])
def test_one_stage_with_its_files(plan, number):
    stage = list(plan.stages.values())[number]
    found = json.loads(details(plan, stage.id))
    assert found["id"] == stage.id and found["code"] == plan.code(stage) and not found["made"]
    assert found["needs"] == [parent.id for parent in stage.ancestors()]
    assert found["stage"]["is"] == "Stage" and found["stage"]["seed"] == stage.seed
    assert (
        found["devices"] == 1
        and found["estimate"]["device_seconds"] > 0
        and found["estimate"]["flops"]["student"] > 0
    )
    assert found["files"] == [str(path) for path in files(plan, stage)]
    last = files(plan, stage)[-1]
    last.parent.mkdir(parents=True)
    last.touch()
    assert is_made(plan, stage) and f"{stage.id}" in overview(plan) and "  made" in overview(plan)


def test_an_unknown_stage_is_refused(plan):
    with pytest.raises(InputError, match="is not in this plan"):
        details(plan, "S1.pre.x")
