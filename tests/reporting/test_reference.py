"""The reference: exhibits and where they come from, a part for each paper, nothing large, one commit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from retort.errors import InputError
from retort.files import read_json, write_json
from retort.reporting.exhibits import exhibits_of, shown_papers
from retort.reporting.reference import about, write_reference
from retort.reporting.results import Results
from retort.reporting.tables import write_table

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def results(results_root):
    found = Results(results_root)
    write_table(exhibits_of("glmd").tables["table3"](found), results_root / "glmd" / "tables")
    figures = results_root / "glmd" / "figures"
    figures.mkdir(exist_ok=True)
    (figures / "overview.png").write_bytes(b"a picture")
    return found


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*.*")}


def test_exhibits_are_copied_and_models_left(results, tmp_path):
    write_reference([results], tmp_path / "reference")
    names = files_of(tmp_path / "reference")
    assert {
        "glmd/tables/table3.csv",
        "glmd/tables/table3.md",
        "glmd/figures/overview.png",
        "glmd/scores.csv",
        "glmd/config.json",
    } <= names
    assert not {name for name in names if name.endswith((".tex", ".safetensors", ".jsonl"))}
    described = read_json(tmp_path / "reference" / "glmd" / "about.json")
    assert described["commit"] == "0123456789abcdef" and described["machines"] == ["cpu: Test <CPU>"]
    assert described["changes"] == ["none"]
    assert described["training_seconds"] == 60.0 * described["runs"] > 0


def test_a_newer_part_replaces_an_older_one_and_no_other(results, tmp_path):
    for paper in ("glmd", "cka"):
        (tmp_path / "reference" / paper / "tables").mkdir(parents=True)
        (tmp_path / "reference" / paper / "tables" / "old.csv").write_text("of another run")
    write_reference([results], tmp_path / "reference")
    assert [path.parts[-3] for path in (tmp_path / "reference").rglob("old.csv")] == ["cka"]
    assert {path.name for path in (tmp_path / "reference").iterdir()} == {"glmd", "cka"}


def test_every_paper_of_a_run_has_its_part(both_pages, tmp_path):
    """The layout is that of the results folder; each part says its own seeds and runs."""
    root = both_pages.parent.parent
    write_table(exhibits_of("glmd").tables["table3"](Results(root)), root / "glmd" / "tables")
    folder = tmp_path / "reference"
    script = ROOT / "scripts" / "export_reference.py"
    command = [sys.executable, script, "--results", root, "--out", folder]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in folder.iterdir()} == {"glmd", "cka"}
    papers = shown_papers(Results(root))
    assert [results.paper for results in papers] == ["glmd", "cka"]
    for results in papers:
        drawn = {f"{results.paper}/figures/{name}.svg" for name in exhibits_of(results.paper).figures}
        assert drawn | {f"{results.paper}/claims.csv"} <= files_of(folder)
        described = read_json(folder / results.paper / "about.json")
        assert described["seeds"] == list(results.seeds)
        assert described["runs"] == len(results.runs) > 0
        assert read_json(folder / results.paper / "config.json") == read_json(root / "config.json")
    added = {f"{paper}/{name}.json" for paper in ("glmd", "cka") for name in ("about", "config")}
    for name in files_of(folder) - added:
        assert (folder / name).read_bytes() == (root / name).read_bytes()


def test_runs_of_two_commits_are_no_reference(results_root):
    card = next((results_root / "stages").rglob("tasks/*/card.json"))
    write_json(card, json.loads(card.read_text()) | {"git_commit": "another"})
    with pytest.raises(InputError, match="glmd: its runs are of 2 commits"):
        about(Results(results_root))


def test_an_unfinished_run_is_no_reference(results_root, tmp_path):
    with pytest.raises(InputError, match="finish the run first"):
        write_reference([Results(results_root)], tmp_path / "reference")
