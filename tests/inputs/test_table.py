"""A table of malformed input: each row ends in one line with place and remedy, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from inputs import rows_checkpoints, rows_configs, rows_data, rows_results, rows_texts
from inputs.bench import Ended, Row, everything, run, setting, write

from retort.config import load
from retort.plan import Plan
from retort.rerun import LINKED, case_of

ROWS = (*rows_configs.ROWS, *rows_data.ROWS, *rows_checkpoints.ROWS, *rows_results.ROWS, *rows_texts.ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_malformed_input(good, row: Row):
    row.spoil(good.folder)
    before = everything(good.folder)
    ended = run(row.command.format(**good.stages))
    assert ended.code == row.code, ended.error
    (line,) = ended.error.splitlines()
    assert line.startswith("error: ")
    for word in row.words:
        assert word.format(**good.stages) in line
    assert everything(good.folder) == before


def test_names_are_unique():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))


SOUND = (
    "show_plan --config run.yaml",
    "prepare_data --config run.yaml",
    "encode_text --config run.yaml",
    "pretrain --config run.yaml --stage {T1}",
    "check_gates --config run.yaml",
    "make_table table3 --results finished",
    "summarise --results finished",
    "judge_claims --results finished --ledger ledger.yaml",
    "watch finished --once",
)


@pytest.mark.parametrize("command", SOUND)
def test_good_input_is_taken(good, command: str):
    """Each row is refused for what was spoilt, not for what the good folder lacks."""
    assert run(command.format(**good.stages)) == Ended(0, "")


def test_good_tracks_are_taken(good):
    write("run.yaml", rows_texts.GOOD)(good.folder)
    assert run("show_plan --config run.yaml") == Ended(0, "")


def test_a_good_card_is_taken(good):
    """Up to the workflow, which is tested elsewhere."""
    case = case_of(Path("mailed.json"), Path("again"), {})
    there = Plan(load("run.yaml")).stage(good.stages["tuned"])
    assert (case.stage.phase, case.stage.objective) == (there.phase, there.objective)
    # Stages are named after the paths that they read, which are whole here.
    assert case.stage.init.imported == str(good.folder / there.init.imported)
    assert load("again/config.json") == case.plan.config
    assert all(Path("again", name).is_symlink() for name in LINKED)


@pytest.mark.parametrize(
    ("place", "value", "command"),
    [
        ("task_training.hyper_parameters", "{folder}/rates.csv", SOUND[0]),
        ("recipes", "mine.py", SOUND[0]),
        ("import_teacher.T1", "release", "pretrain --config run.yaml --stage {release}"),
    ],
)
def test_good_input_that_the_configuration_names_is_taken(good, place: str, value: str, command: str):
    setting(place, value.format(folder=good.folder))(good.folder)
    assert run(command.format(**good.stages)) == Ended(0, "")
