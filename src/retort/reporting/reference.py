"""A finished run's exhibits without its models, small enough to be committed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retort.config import REPOSITORY
from retort.errors import InputError
from retort.files import atomic_folder, write_json
from retort.reporting.results import Results
from retort.revision import git_commit

PLACES = ("tables", "figures")
KINDS = ("*.csv", "*.md", "*.png", "*.svg")
"""What visitors look at; LaTeX, predictions and models can be made again."""


def write_reference(papers: Sequence[Results], folder: Path) -> None:
    """Write for each paper a folder with its exhibits, judged claims, ``config.json`` and ``about.json``.

    A paper's part is replaced as a whole, so that all its numbers are one run's. Parts of papers that this
    run lacks stay: papers share no numbers, and each part says itself which run it is of.

    Args:
        papers: what the run found for each of its papers, at least one.
        folder: to write.

    Raises:
        InputError: a paper's exhibits have not been made, or its runs are of several commits.
    """
    for results in papers:
        source = results.root / results.paper
        if not all((source / place).is_dir() for place in PLACES):
            raise InputError(f"{source}: has no tables and figures yet; finish the run first")
    described = {results.paper: about(results) for results in papers}
    for results in papers:
        with atomic_folder(folder / results.paper) as temporary:
            _copy(results.root / results.paper, temporary)
            write_json(temporary / "about.json", described[results.paper])
            shutil.copyfile(results.config_file, temporary / "config.json")


def _copy(source: Path, folder: Path) -> None:
    """What a paper's folder has for visitors."""
    for place in PLACES:
        (folder / place).mkdir(parents=True)
        for kind in KINDS:
            for path in sorted((source / place).glob(kind)):
                shutil.copyfile(path, folder / place / path.name)
    for path in sorted(source.glob("*.csv")):  # scores, judged claims and what else exhibits are made from
        shutil.copyfile(path, folder / path.name)


def about(results: Results) -> dict[str, Any]:
    """Where, when, of what and for how long the runs of a paper were made.

    Raises:
        InputError: they are of several commits, so that no one source made them.
    """
    cards = [run.card for run in results.runs]
    commits = {card["git_commit"] for card in cards}
    if len(commits) != 1:
        place = results.root / results.paper
        raise InputError(f"{place}: its runs are of {len(commits)} commits; run it anew from one")
    return {
        "scale": results.config.scale,
        "commit": commits.pop(),
        "changes": sorted({card.get("git_changes", "unknown") for card in cards}),
        "exhibits_commit": git_commit(REPOSITORY),
        "machines": sorted({f"{card['device']['kind']}: {card['device']['name']}" for card in cards}),
        "python": sorted({card["python"] for card in cards}),
        "torch": sorted({card["packages"]["torch"] for card in cards}),
        "started": min(card["started"] for card in cards),
        "finished": max(card["finished"] for card in cards),
        "runs": len(cards),
        "training_seconds": round(sum(card["seconds"] for card in cards), 1),
        "seeds": list(results.seeds),
    }
