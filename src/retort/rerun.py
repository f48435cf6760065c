"""One training run made again from its run card and this repository alone, and compared with the card.

A card holds the whole configuration, so nothing of the run's own results is needed: data, teachers and
whatever else the run stands on are made first, in a folder of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.config import REPOSITORY, merge, resolve
from retort.config.loading import scale_names
from retort.config.model import as_text
from retort.differences import Card, entries, inputs, results, sources
from retort.errors import InputError, RetortError
from retort.files import digest_of, write_text
from retort.narrowing import narrowed
from retort.plan import Plan
from retort.runcard import RERUN_FIELDS, data_hashes, read_card
from retort.stages import Stage

LINKED = ("Snakefile", "rules", "scripts", "config", "config.yaml", "envs", "profiles", "resources")
"""What a working folder of Snakemake needs of the repository."""

_PLAIN_SCALE = "smoke"
"""It has no gates and switches no quirk, so that it adds nothing to a complete configuration."""


@dataclass(frozen=True)
class Case:
    """What is to be made.

    Attributes:
        card: of the run.
        folder: to work in.
        plan: the smallest plan with the stage in it, its results below ``folder``.
        stage: that made the run.
    """

    card: Card
    folder: Path
    plan: Plan
    stage: Stage

    @property
    def model(self) -> Path:
        """Folder of the run's model."""
        layout, run = self.plan.layout, self.card["stage"].get("run")
        return layout.stage(self.stage) if run is None else layout.task_model(self.stage, run)

    @property
    def target(self) -> Path:
        """The file that stands for the finished stage."""
        name = "metrics.json" if self.stage.phase == "task" else "model.safetensors"
        return self.plan.layout.stage(self.stage) / name

    @property
    def texts(self) -> list[Path]:
        """Folders of the encoded data: the corpus and, of a run on a task, the task."""
        tasks = [name for name in (self.card["stage"].get("task"),) if name is not None]
        names = [self.stage.data, *map(self.stage.text, tasks)]
        return [self.plan.layout.text(name) for name in names]


def rerun(path: Path, folder: Path | None, cores: int, changes: Mapping[str, Any]) -> bool:
    """Make the run of a card again; print what differs, of what it is made from and of what comes out.

    Args:
        path: of the card.
        folder: to work in; ``None``: ``results/rerun/<stage>``. What is there already is used.
        cores: jobs at the same time.
        changes: keys of the configuration that are different here: paths, the device.

    Returns:
        Whether the scores are equal.

    Raises:
        InputError: the card cannot be used here; the message says why.
        RetortError: the workflow stopped.
    """
    case = case_of(path, folder, changes)
    run = case.card["stage"].get("run")
    print(f"{case.stage.id}{f', run {run}' if run else ''}, finished {case.card['finished']}")
    _show("made from", sources(case.card, case.plan.code(case.stage)))
    for text in case.texts:
        _make(case, text / "summary.json", cores)
    _show("data", entries(case.card["data"], data_hashes(case.texts)))
    _make(case, case.target, cores)
    made = read_card(case.model / "card.json", RERUN_FIELDS)
    if case.stage.digest == digest_of(_plain_stage(case.card)):  # else all names differ
        _show("inputs", inputs(case.card, made))
    _show("device", entries(case.card["device"], made["device"]))
    scores = results(case.card["results"], made["results"])
    _show("scores", scores)
    same = case.card["results"]["weights"] == made["results"]["weights"]
    print(f"weights: {'equal' if same else 'not equal'} bit by bit; the new card: {case.model / 'card.json'}")
    return not scores


def read_whole(path: Path) -> Card:
    """A card with all that a rerun needs, so that nothing is trained that could not be compared.

    Raises:
        InputError: it is none, another version's, or something in it is missing.
    """
    card = read_card(path, RERUN_FIELDS)
    found = card["results"]
    if "weights" not in found or not ("last_loss" in found or isinstance(found.get("best"), dict)):
        raise InputError(f"{path}: field 'results' lacks scores or weights; train this stage again")
    if card["recipes"] is not None and not isinstance(card["config"].get("recipes"), str):
        raise InputError(f"{path}: field 'config.recipes' is missing or malformed; train this stage again")
    return card


def case_of(path: Path, folder: Path | None, changes: Mapping[str, Any]) -> Case:
    """The stage of a card in this repository's plan, and a working folder for it with its configuration.

    Raises:
        InputError: the configuration does not hold here, or makes other stages than it did.
    """
    card = read_whole(path)
    # A scale of somebody's own has no file here; the card's configuration is complete, so another's will do.
    scale = card["config"].get("scale")
    scale = scale if scale in scale_names() else _PLAIN_SCALE
    name = digest_of(_plain_stage(card))
    folder = (Path("results") / "rerun" / name if folder is None else folder).absolute()
    given = merge(card["config"], _recipes(card, folder) | {"scale": scale})
    then = Plan(resolve(given, str(path)))
    names = [stage.digest for stage in then.stages.values()]
    if name not in names:
        commit = card["git_commit"] or "that it was made from"
        raise InputError(f"{path}: this repository plans no such stage; check out the commit {commit}")
    here = resolve(_absolute(merge(given, changes)), str(path))
    stages = list(Plan(here).stages.values())
    stage = stages[names.index(name)] if len(stages) == len(names) else None
    if stage is None or stage.phase != card["stage"]["phase"]:
        raise InputError(
            "--config: makes other stages than the card's; give no more than paths and the device"
        )
    config = narrowed(here, stage.id)
    _link(folder)
    write_text(folder / "config.json", as_text(config))
    return Case(card, folder, Plan(config, folder / "results"), stage)


def _plain_stage(card: Card) -> dict[str, Any]:
    """The card's stage without what its run adds."""
    return {key: value for key, value in card["stage"].items() if key not in ("task", "run")}


def _link(folder: Path) -> None:
    """Make a folder look like a clone of this repository, without its results."""
    if not (REPOSITORY / "Snakefile").is_file():
        raise InputError(f"{REPOSITORY}: is no clone of the repository; run scripts/rerun.py of a clone")
    places = {folder / name: REPOSITORY / name for name in LINKED}
    for place in places:
        if place.exists() and not place.is_symlink():
            raise InputError(f"{place}: is in the way; name a folder that nothing else uses")
    folder.mkdir(parents=True, exist_ok=True)
    for place, source in places.items():
        place.unlink(missing_ok=True)
        place.symlink_to(source)


def _recipes(card: Card, folder: Path) -> dict[str, Any]:
    """The card's own recipe file, written anew, as a part of a configuration."""
    if card["recipes"] is None:
        return {}
    path = folder / Path(card["config"]["recipes"]).name
    print(f"the card brings Python code of its own, which is run: {path}")
    write_text(path, card["recipes"])
    return {"recipes": str(path)}


def _absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """Paths from where the command was given; the workflow runs in a folder of its own."""
    root, teachers = config.get("data_root"), config.get("import_teacher", {})
    return merge(
        config,
        {
            "data_root": None if root is None else str(Path(root).absolute()),
            "import_teacher": {name: str(Path(path).absolute()) for name, path in teachers.items()},
        },
    )


def _show(what: str, differences: Sequence[str]) -> None:
    print("\n".join(f"{what}: {line}" for line in differences or ["as on the card"]), flush=True)


def _make(case: Case, target: Path, cores: int) -> None:
    """Let Snakemake make a file of the case.

    Raises:
        RetortError: it stopped.
    """
    packages = (str(REPOSITORY / "src"), os.environ.get("PYTHONPATH"))
    command = ["-m", "snakemake", str(target.relative_to(case.folder)), "--cores", str(cores)]
    ended = subprocess.run(
        [sys.executable, *command, "--configfile", "config.json", "--no-hooks"],
        cwd=case.folder,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, packages))},
    )
    if ended.returncode != 0:
        raise RetortError(
            f"{target}: the workflow stopped before it; mend the cause and give the same command"
        )
