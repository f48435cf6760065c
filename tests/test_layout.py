"""Folders are named after what they hold."""

from __future__ import annotations

from pathlib import Path

from retort.config import load
from retort.layout import Layout
from retort.plan import Plan


def test_everything_lies_below_the_scale():
    plan = Plan(load("smoke"), Path("out"))
    root = Path("out/smoke")
    stage = next(stage for stage in plan.stages.values() if stage.compression is not None)
    assert plan.layout == Layout(root)
    assert plan.layout.data("d.1") == root / "data/d.1" and plan.layout.text("t.1") == root / "text/t.1"
    assert plan.layout.stage(stage) == root / "stages" / stage.id
    assert plan.layout.task_model(stage, "RTE") == root / "stages" / stage.id / "tasks/RTE"
    assert plan.layout.signals(stage) == root / "signals" / stage.id
    assert plan.layout.vocabulary(stage).relative_to(root).parts[0] == "vocabulary"
    assert plan.layout.progress == root / ".progress"


def test_training_states_of_other_code_are_not_found():
    plan = Plan(load("smoke"))
    first, second = list(plan.stages.values())[:2]
    folders = {plan.layout.scratch(s, code) for s in (first, second) for code in ("a", "b")}
    assert len(folders) == 4 and {folder.parent.name for folder in folders} == {".scratch"}


def test_a_map_is_named_after_its_settings_and_teacher():
    def path(overrides):
        plan = Plan(load("smoke", overrides))
        return plan.layout.vocabulary(next(s for s in plan.stages.values() if s.compression is not None))

    plain = path({})
    assert path({"seeds": [5], "pretraining": {"student": {"steps": 3}}}) == plain
    assert path({"compression": {"multiple_of": 16}}) != plain
    assert path({"pretraining": {"teacher": {"steps": 3}}}) != plain
