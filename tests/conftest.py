"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# As in the workflow: tiny models are slower on several threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine must not fail a property.
settings.register_profile("retort", deadline=None)
settings.load_profile("retort")

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).resolve().parent / "golden"


SHARED = ("workflow", "slurm")
"""Folders whose tests share one run of the whole workflow."""


def _shares(file: str) -> bool:
    return bool(set(SHARED) & set(Path(file).parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest starts first."""
    items.sort(key=lambda item: not _shares(item.nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`make test` has several workers: one runs all tests that share the workflow's run, each other file is
    one worker's, too, so that what a file sets up is set up once. (pytest-xdist's own `--dist loadgroup`
    does not see groups under pytest 9.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "workflow" if _shares(file) else file

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Iterator[None]:
    """Training jobs flush denormal numbers for their whole process; here other tests come after."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of numbers computed with the papers' own code."""
    return GOLDEN


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real data in official layouts; tests that need it are skipped where it is absent."""
    named = os.environ.get("RETORT_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "superglue").is_dir():
        pytest.skip(f"no real data at {folder}: set RETORT_REAL_DATA to a folder in the official layouts")
    return folder
