"""A search through the whole workflow, on two tasks and two points."""

from __future__ import annotations

import csv

import pytest

pytestmark = pytest.mark.workflow

OVERRIDES = (
    'papers=["glmd"]',
    "methods=['TinyBERT']",
    "tasks=['RTE','COPA']",
    "pairs=['T1-S1']",
    "seeds=[1,2]",
    "variants={'tables': []}",
    "task_training={'search': {'learning_rates': [5.0e-4, 2.0e-3], 'batch_sizes': [8]}}",
)
POINTS = ("8-0.0005", "8-0.002")


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_search_is_run_collected_shown_and_not_repeated(tree):
    ended = tree.snakemake(*OVERRIDES)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    glmd = tree.results / "glmd"
    scores = rows(glmd / "scores.csv")
    for row in scores:
        if row["role"] != "baseline":
            assert row["run"] in {f"{row['task']}@{point}" for point in POINTS}
            folder = tree.results / "stages" / row["stage"] / "tasks" / row["run"]
            assert (folder / "predictions.jsonl").is_file() and (folder / "card.json").is_file()
    chosen = rows(glmd / "hyper_parameters.csv")
    cells = {(row["role"], row["task"], row["protocol"]) for row in chosen}
    assert len(chosen) == len(cells) == 2 * 2 * 2
    assert {row["points"] for row in chosen} == {"2"}
    by_seed = {(r["role"], r["task"], r["protocol"], r["run"]) for r in scores if r["role"] == "student"}
    assert len(by_seed) == 2 * 2  # both seeds report the same point
    shown = rows(glmd / "tables" / "table7.csv")
    assert {row["points"] for row in shown if row["method"] == "TinyBERT" and row["pair"] == "T1-S1"} == {"2"}
    assert len(rows(glmd / "tables" / "table8.csv")) == 11 * 2
    page = (tree.results / "report" / "index.html").read_text(encoding="utf-8")
    assert f"RTE@{POINTS[0]}" in page and f"RTE@{POINTS[1]}" in page and "points not chosen" in page
    again = tree.snakemake(*OVERRIDES, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr
