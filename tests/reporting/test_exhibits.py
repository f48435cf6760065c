"""What the list of exhibits says of an exhibit is what it does: the workflow reruns it by that."""

from __future__ import annotations

import functools
import gc
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from small_runs import Run, rights

from retort.claims.judging import judge
from retort.claims.ledger import ledger_path
from retort.claims.writing import write_claims
from retort.config import REPOSITORY
from retort.fingerprint import fingerprint
from retort.reporting.exhibit import Exhibit
from retort.reporting.exhibits import exhibits_of
from retort.reporting.results import Results
from retort.texts import CORPUS, text_names


class Watch:
    """Notes which files are opened for reading below some folders."""

    def __init__(self) -> None:
        self.folders: tuple[Path, ...] = ()
        self.seen: set[Path] = set()
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.folders and event == "open" and isinstance(arguments[0], str | Path) and arguments[1] != "w":
            path = Path(arguments[0]).absolute()
            if any(path.is_relative_to(folder) for folder in self.folders):
                self.seen.add(path)

    def reads(self, action, *folders):
        """What ``action`` opens; nothing is remembered from calls before."""
        for found in gc.get_objects():
            if type(found) is functools._lru_cache_wrapper and found.__module__.startswith("retort."):
                found.cache_clear()
        self.seen, self.folders = set(), folders
        try:
            action()
        finally:
            self.folders = ()
        return self.seen


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


GLMD = exhibits_of("glmd")
EXHIBITS: dict[str, Exhibit[Any]] = {**GLMD.tables, **GLMD.figures}


@pytest.fixture(scope="module")
def run(page, tmp_path_factory) -> Path:
    """A finished run with figures and an empty list of judged claims."""
    folder = tmp_path_factory.mktemp("exhibits") / "pocket"
    shutil.copytree(page.parent.parent, folder)
    write_claims([], folder / "glmd" / "claims.csv")
    return folder


def by_place(files, root):
    """Files of the repository by name, and those of the run by their place in it."""
    ours = {path.relative_to(root).as_posix() for path in files if path.is_relative_to(root)}
    return {
        path.relative_to(REPOSITORY).as_posix() for path in files if path.is_relative_to(REPOSITORY)
    }, ours


def folders(root):
    return REPOSITORY / "resources", REPOSITORY / "config", root


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_reads_what_the_list_says(watch, run, name):
    exhibit = EXHIBITS[name]

    def make():
        made = exhibit(Results(run))
        if name in GLMD.figures:
            made.figure()

    repository, ours = by_place(watch.reads(make, *folders(run)), run)
    assert repository == set(exhibit.reads)
    assert {place for place in ours if place.startswith("glmd/")} == {f"glmd/{n}.csv" for n in exhibit.of}
    assert any(place.endswith("distances.jsonl") for place in ours) == bool(exhibit.logs)
    names = text_names(Results(run).config)
    texts = {place.split("/")[1] for place in ours if place.startswith("text/")}
    sizes = {place for place in ours if re.fullmatch("stages/.*/config.json", place)}  # rows of word tables
    everything = "all" if texts == set(names.values()) else ""
    assert exhibit.text == (everything or ("vocabulary" if texts | sizes else "none"))
    assert everything or texts <= {names[CORPUS]}


def test_claims_are_judged_by_what_the_list_says(watch, run, tmp_path):
    small = Run(tmp_path / "results" / "pocket").add("KD", {1: rights(3), 2: rights(4)})
    results, ledger = small.results(), ledger_path("glmd")
    shutil.copytree(run / "glmd" / "figures", results.root / "glmd" / "figures")
    found = watch.reads(lambda: judge(results, ledger, draws=10), *folders(results.root))
    repository, ours = by_place(found, results.root)
    assert repository == {*GLMD.judged_by, ledger.relative_to(REPOSITORY).as_posix()}
    own = {place for place in ours if not place.startswith("stages/")}  # predictions and sizes of scored runs
    assert own == {"config.json", "glmd/scores.csv", *(f"glmd/figures/{name}.csv" for name in GLMD.judged)}


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_s_code_is_its_own(name):
    codes = {other: fingerprint([exhibit.code]) for other, exhibit in EXHIBITS.items()}
    assert list(codes.values()).count(codes[name]) == 1
