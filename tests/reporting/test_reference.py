"""The reference: exhibits and where they come from, nothing large, one commit."""

from __future__ import annotations

import json

import pytest

from retort.errors import InputError
from retort.files import read_json, write_json
from retort.reporting.exhibits import exhibits_of
from retort.reporting.reference import about, write_reference
from retort.reporting.results import Results
from retort.reporting.tables import write_table


@pytest.fixture
def results(results_root):
    found = Results(results_root)
    write_table(exhibits_of("glmd").tables["table3"](found), results_root / "glmd" / "tables")
    figures = results_root / "glmd" / "figures"
    figures.mkdir(exist_ok=True)
    (figures / "overview.png").write_bytes(b"a picture")
    return found


def test_exhibits_are_copied_and_models_left(results, tmp_path):
    write_reference(results, tmp_path / "reference")
    names = {str(path.relative_to(tmp_path / "reference")) for path in (tmp_path / "reference").rglob("*.*")}
    assert {
        "tables/table3.csv",
        "tables/table3.md",
        "figures/overview.png",
        "scores.csv",
        "config.json",
    } <= names
    assert not {name for name in names if name.endswith((".tex", ".safetensors", ".jsonl"))}
    described = read_json(tmp_path / "reference" / "about.json")
    assert described["commit"] == "0123456789abcdef" and described["machines"] == ["cpu: Test <CPU>"]
    assert described["changes"] == ["none"]
    assert described["training_seconds"] == 60.0 * described["runs"] > 0


def test_a_newer_reference_replaces_an_older_one(results, tmp_path):
    (tmp_path / "reference" / "tables").mkdir(parents=True)
    (tmp_path / "reference" / "tables" / "old.csv").write_text("gone")
    write_reference(results, tmp_path / "reference")
    assert not (tmp_path / "reference" / "tables" / "old.csv").exists()


def test_runs_of_two_commits_are_no_reference(results_root):
    card = next((results_root / "stages").rglob("tasks/*/card.json"))
    write_json(card, json.loads(card.read_text()) | {"git_commit": "another"})
    with pytest.raises(InputError, match="its runs are of 2 commits"):
        about(Results(results_root))


def test_an_unfinished_run_is_no_reference(results_root, tmp_path):
    with pytest.raises(InputError, match="finish the run first"):
        write_reference(Results(results_root), tmp_path / "reference")
