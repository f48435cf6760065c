"""A finished run's exhibits without its models, small enough to be committed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from retort.config import REPOSITORY
from retort.errors import InputError
from retort.files import atomic_folder, write_json
from retort.reporting.results import Results
from retort.revision import git_commit

KINDS = ("*.csv", "*.md", "*.png", "*.svg")
"""What visitors look at; LaTeX, predictions and models can be made again."""


def write_reference(results: Results, folder: Path) -> None:
    """Copy tables, figures and judged claims, and write ``about.json``: machine, dates, commit, cost.

    Raises:
        InputError: the run's exhibits have not been made, or its runs are of several commits.
    """
    source = results.root / results.paper
    places = [name for name in ("tables", "figures") if (source / name).is_dir()]
    if len(places) != 2:
        raise InputError(f"{source}: has no tables and figures yet; finish the run first")
    described = about(results)
    with atomic_folder(folder) as temporary:
        for place in places:
            (temporary / place).mkdir()
            for kind in KINDS:
                for path in sorted((source / place).glob(kind)):
                    shutil.copyfile(path, temporary / place / path.name)
        for name in ("scores.csv", "hyper_parameters.csv", "claims.csv"):
            if (source / name).is_file():
                shutil.copyfile(source / name, temporary / name)
        shutil.copyfile(results.config_file, temporary / "config.json")
        write_json(temporary / "about.json", described)


def about(results: Results) -> dict[str, Any]:
    """Where, when, of what and for how long a run was made.

    Raises:
        InputError: its runs are of several commits, so that no one source made them.
    """
    cards = [run.card for run in results.runs]
    commits = {card["git_commit"] for card in cards}
    if len(commits) != 1:
        raise InputError(f"{results.root}: its runs are of {len(commits)} commits; run it anew from one")
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
        "seeds": list(results.config.seeds),
    }
