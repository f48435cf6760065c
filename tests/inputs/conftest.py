"""The good folder, for tests that spoil it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from inputs.good import make_good


@dataclass(frozen=True)
class Good:
    """Where it is, a copy of it as it was made, and ids of stages that it knows."""

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
