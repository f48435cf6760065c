"""An empty run to fill, and ledgers made of tests alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from judged_runs import TextRun
from small_runs import Run

from retort.files import write_text


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An empty run."""
    return Run(tmp_path / "results" / "pocket")


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[..., Path]:
    """Writes a ledger of tests, one claim each."""

    def write(*tests: str) -> Path:
        path = tmp_path / "claims.yaml"
        entries = [
            f"  - {{id: c{i}, where: here, basis: printed, statement: s, test: {test}}}"
            for i, test in enumerate(tests)
        ]
        write_text(path, "claims:\n" + "\n".join(entries) + "\n")
        return path

    return write


@pytest.fixture
def texts_run(tmp_path: Path) -> TextRun:
    """An empty run of the paper on transformers models."""
    return TextRun(tmp_path / "results" / "pocket")
