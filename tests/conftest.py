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


RUNS = ("workflow", "slurm")
"""Folders whose tests run the workflow."""
SHARING = frozenset(
    f"tests/workflow/test_{name}.py"
    for name in ("smoke", "rerun", "reruns", "reruns_data", "reruns_settings", "own_recipes")
)
"""Files whose tests look at one finished run of the whole workflow, which takes minutes to make."""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What takes longest starts first."""

    def rank(item: pytest.Function) -> int:
        file = item.nodeid.partition("::")[0]
        if file.startswith("tests/workflow/") and file not in SHARING:
            assert "smoke" not in item.fixturenames, f"{file} uses the finished run; name it in SHARING"
        return 0 if file in SHARING else 1 if set(RUNS) & set(Path(file).parts) else 2

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`make test` has several workers: one runs all tests that share the workflow's run, each other file is
    one worker's, too, so that what a file sets up is set up once. (pytest-xdist's own `--dist loadgroup`
    does not see groups under pytest 9.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "one run" if file in SHARING else file

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
