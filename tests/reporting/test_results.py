"""Runs behind scores are found by their name in a stage's folder."""

from __future__ import annotations

import json

import pytest

from retort.files import read_json, write_json
from retort.reporting.results import Results, Run
from retort.reporting.rows import table_rows


def test_a_run_s_address_and_task():
    run = Run("S1.task.x", "RTE@16-1e-05", {})
    assert run.task == "RTE" and run.address == "../stages/S1.task.x/tasks/RTE@16-1e-05/card.json"
    assert Run("S1.task.x", "RTE", {}).address == "../stages/S1.task.x/tasks/RTE/card.json"
    run = Run("S1.pre.x", "", {})
    assert run.task == "" and run.address == "../stages/S1.pre.x/card.json"


@pytest.mark.parametrize("linked", [True, False], ids=["a link", "a copy that became a folder"])
def test_a_search_s_runs_are_listed_once_and_lead_to_their_cards(results_root, linked):
    stage = "S1.task.KD.s1.KD-1"
    tasks = results_root / "stages" / stage / "tasks"
    for name in ("RTE@8-0.1", "RTE@8-0.2"):
        card = read_json(tasks / "RTE" / "card.json")
        card["stage"] |= {"task": "RTE", "run": name}
        write_json(tasks / name / "card.json", card)
    for path in (tasks / "RTE").iterdir():
        path.unlink()
    (tasks / "RTE").rmdir()
    if linked:
        (tasks / "RTE").symlink_to("RTE@8-0.2", target_is_directory=True)
    else:
        write_json(tasks / "RTE" / "card.json", json.loads((tasks / "RTE@8-0.2" / "card.json").read_text()))
    path = results_root / "glmd" / "scores.csv"
    head, *lines = path.read_text().splitlines()
    chosen = [
        f"{line},{'RTE@8-0.1' if stage in line and ',RTE,' in line else line.split(',')[4]}" for line in lines
    ]
    path.write_text("\n".join([f"{head},run", *chosen]) + "\n")
    results = Results(results_root)
    names = [run.name for run in results.runs if run.stage == stage and run.task == "RTE"]
    assert names == ["RTE@8-0.1", "RTE@8-0.2"]
    (row,) = (row for row in table_rows(results) if (row.method, row.pair) == ("KD", "T1-S1"))
    behind = [run.name for _, run in row.runs() if run.stage == stage and run.task == "RTE"]
    assert behind == ["RTE@8-0.1"]
    assert results.run(stage, "RTE@8-0.1") == tasks / "RTE@8-0.1"
