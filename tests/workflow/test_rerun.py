"""A card that was mailed to somebody, and a clone: enough to get the same model, bit by bit."""

from __future__ import annotations

import shutil

import pytest

from retort.config import load
from retort.plan import Plan

pytestmark = pytest.mark.workflow


def test_a_cell_is_made_again_from_its_card_alone(smoke, tmp_path):
    cell = next(cell for cell in Plan(load("smoke")).cells if cell.method == "KD")
    source = smoke.tree.results / "stages" / cell.stages[0].id / "tasks" / "RTE" / "card.json"
    card = shutil.copy(source, tmp_path / "card.json")
    ended = smoke.tree.script("rerun", str(card), "--results", str(tmp_path / "again"), "--cores", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for what in ("made from", "data", "inputs", "device", "scores"):
        assert f"{what}: as on the card\n" in ended.stdout
    assert "weights: equal bit by bit" in ended.stdout and "Traceback" not in ended.stderr
    made = (tmp_path / "again" / "results" / "smoke" / "stages").iterdir()
    assert {path.name.split(".")[0] for path in made} == {"T1", "S1"}  # no teacher but its own
