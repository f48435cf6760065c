"""What the list of exhibits says of an exhibit is what it does: the workflow reruns it by that."""

from __future__ import annotations

import functools
import gc
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from prompt_runs import make_prompt_results, prompt_config
from small_runs import Run, rights

from retort.claims.judging import judge
from retort.claims.ledger import ledger_path
from retort.claims.writing import write_claims
from retort.config import REPOSITORY
from retort.files import write_json
from retort.fingerprint import CodeGraph, fingerprint
from retort.reporting.exhibit import Exhibit
from retort.reporting.exhibits import exhibits_of
from retort.reporting.results import Results
from retort.texts import CORPUS, paper_of_part, text_names


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
PAPERS = ("glmd", "cka", "atkd")
EXHIBITS: dict[tuple[str, str], Exhibit[Any]] = {
    (paper, name): exhibit
    for paper in PAPERS
    for name, exhibit in (*exhibits_of(paper).tables.items(), *exhibits_of(paper).figures.items())
}


@pytest.fixture(scope="module")
def run(both_pages, tmp_path_factory) -> Path:
    """A finished run of all papers with empty lists of judged claims, and the figures of two."""
    folder = tmp_path_factory.mktemp("exhibits") / "pocket"
    shutil.copytree(both_pages.parent.parent, folder)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"papers": [*PAPERS], "atkd": prompt_config()})
    make_prompt_results(folder)
    for paper in PAPERS:
        write_claims([], folder / paper / "claims.csv")
    return folder


def by_place(files, root):
    """Files of the repository by name, and those of the run by their place in it."""
    ours = {path.relative_to(root).as_posix() for path in files if path.is_relative_to(root)}
    return {
        path.relative_to(REPOSITORY).as_posix() for path in files if path.is_relative_to(REPOSITORY)
    }, ours


def folders(root):
    return REPOSITORY / "resources", REPOSITORY / "config", root


@pytest.mark.parametrize(("paper", "name"), EXHIBITS)
def test_an_exhibit_reads_what_the_list_says(watch, run, paper, name):
    exhibit = EXHIBITS[paper, name]

    def make():
        made = exhibit(Results(run, paper))
        if name in exhibits_of(paper).figures:
            made.figure()

    repository, ours = by_place(watch.reads(make, *folders(run)), run)
    assert repository == set(exhibit.reads)
    assert {place for place in ours if place.startswith(PAPERS)} == {f"{paper}/{n}.csv" for n in exhibit.of}
    corpus = {place for place in ours if re.fullmatch(r"stages/[^/]*/distances.jsonl", place)}
    assert bool(corpus) == bool(exhibit.logs)
    files = r"metrics.json|distances.jsonl" + ("|config.json" if paper != "glmd" else "")  # sizes: see below
    learned = {place for place in ours if re.search(rf"/tasks/[^/]*/({files})$", place)}
    assert bool(learned) == exhibit.runs
    if paper == "glmd":
        check_texts(exhibit, ours, text_names(Results(run).config))
    else:
        assert exhibit.text == "none" and not any(place.startswith("text/") for place in ours)


def check_texts(exhibit, ours, names):
    """Of the first paper, whose word tables are as long as the vocabulary."""
    names = {part: name for part, name in names.items() if paper_of_part(part)[0] == "glmd"}
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


@pytest.mark.parametrize(("paper", "name"), EXHIBITS)
def test_an_exhibit_s_code_is_its_own(paper, name):
    codes = {other: fingerprint([EXHIBITS[paper, other].code]) for of, other in EXHIBITS if of == paper}
    assert list(codes.values()).count(codes[name]) == 1


def test_a_paper_s_exhibits_do_not_hang_on_another_s_code():
    """What both use lies beside the rooms of either."""
    graph = CodeGraph(REPOSITORY / "src" / "retort", "retort")
    glmd = r"table\d|ablations|glmd_exhibits|figure3|figure5"
    others = {"glmd": r"cka\b|atkd\b", "cka": rf"atkd\b|{glmd}", "atkd": rf"cka\b|{glmd}"}
    rooms = {paper: re.compile(rf"retort\.reporting\.({names})") for paper, names in others.items()}
    for (paper, name), exhibit in EXHIBITS.items():
        found = {module for module, _ in graph.closure(exhibit.code) if rooms[paper].match(module)}
        assert found == set(), (paper, name)
