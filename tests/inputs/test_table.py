"""A table of malformed input: each row ends in one line that names place and remedy, and leaves nothing behind."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from inputs import rows_configs
from inputs.bench import Row, everything, run
from inputs.good import make_good

ROWS = rows_configs.ROWS


@dataclass(frozen=True)
class Good:
    """The good folder, what was in it when it was made, and the stages it knows."""

    folder: Path
    kept: Path
    stages: dict[str, str]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Good:
    top = tmp_path_factory.mktemp("inputs")
    folder = top / "good"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stages = make_good(folder)
    shutil.copytree(folder, top / "kept", symlinks=True)
    return Good(folder, top / "kept", stages)


@pytest.fixture
def good(made, monkeypatch) -> Good:
    """Always in the same place, because manifests hold whole paths."""
    shutil.rmtree(made.folder)
    shutil.copytree(made.kept, made.folder, symlinks=True)
    monkeypatch.chdir(made.folder)
    return made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_malformed_input(good: Good, row: Row):
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


COMMANDS = sorted({row.command for row in ROWS})


@pytest.mark.parametrize("command", [c for c in COMMANDS if "{" in c or c == "show_plan --config run.yaml"])
def test_good_input_is_taken(good: Good, command: str):
    assert run(command.format(**good.stages)).code == 0
