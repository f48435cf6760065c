"""Everything that tables, figures and the page are made from, read from one results folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from retort.config import REPOSITORY, Config
from retort.config.texts import TextPaper, Track
from retort.errors import InputError
from retort.evaluation.collect import CHOICES
from retort.files import read_json
from retort.layout import run_folder
from retort.papers import paper_of
from retort.reporting.scores import COLLECT, read_scores, read_table
from retort.reporting.stage_text import parents
from retort.reporting.tables import slug
from retort.runcard import read_card
from retort.stages import task_of
from retort.texts import CORPUS, tasks_of, text_names

if TYPE_CHECKING:
    import pandas as pd

SPEED = (
    *("track", "model", "parameters", "task_kind", "rows", "source", "target", "device", "machine", "torch"),
    *("median_ms", "low_ms", "high_ms", "repeats", "ratio_to_teacher"),
)
LANDSCAPE = ("method", "pair", "seed", "stage", "direction", "alpha", "loss")
PUBLISHED = REPOSITORY / "resources" / "paper"


@dataclass(frozen=True)
class Run:
    """One training run: its stage, its name there (none in pretraining) and its card."""

    stage: str
    name: str
    card: Mapping[str, Any]

    @property
    def task(self) -> str:
        """The task that was trained; empty in pretraining."""
        return task_of(self.name)

    @property
    def folder(self) -> str:
        """Of its files, seen from the results folder."""
        stage = Path("stages") / self.stage
        return (run_folder(stage, self.name) if self.name else stage).as_posix()

    @property
    def address(self) -> str:
        """Of the card, seen from ``report/index.html``."""
        return f"../{self.folder}/card.json"

    @property
    def anchor(self) -> str:
        """Place of its card on the page."""
        return slug("run", self.digest, self.name)

    @property
    def digest(self) -> str:
        """Of the stage; other stages name it so."""
        return _digest(self.stage)

    @property
    def parents(self) -> tuple[str, ...]:
        """Digests of the stages whose results it read."""
        return tuple(digest for _, digest in parents(self.card["stage"]))


@dataclass(frozen=True)
class Results:
    """The results of one scale for one paper.

    Attributes:
        root: ``results/<scale>``, with ``stages/`` and ``<paper>/scores.csv``.
        paper: name of the paper.
        published: folder with the paper's numbers, ``<paper>/<table>.csv``.
        settings: file of the resolved configuration; ``None`` = that of the last run, ``config.json``.
    """

    root: Path
    paper: str = "glmd"
    published: Path = PUBLISHED
    settings: Path | None = None

    @property
    def config_file(self) -> Path:
        """The configuration that is read."""
        return self.settings or self.root / "config.json"

    @cached_property
    def config(self) -> Config:
        """The resolved configuration of the run.

        Raises:
            InputError: its file is missing or does not hold.
        """
        path = self.config_file
        read_json(path)
        try:
            return Config.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"{path}: {place}: {first['msg']}; write it again with this version") from None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds of the paper's students."""
        texts = self._texts
        return self.config.seeds if texts is None else texts.seeds

    @property
    def tasks(self) -> tuple[str, ...]:
        """The paper's tasks at this scale, in the order of its tables."""
        texts = self._texts
        if texts is None:
            return self.config.tasks
        used = {task for track in texts.tracks.values() for task in tasks_of(track)}
        return tuple(task for task in paper_of(self.paper).tasks if task in used)

    @property
    def tracks(self) -> Mapping[str, Track]:
        """Families of models of a paper on transformers models, by name; none for others."""
        texts = self._texts
        return {} if texts is None else texts.tracks

    @property
    def _texts(self) -> TextPaper | None:
        return self.config.section(self.paper)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """All scores, see :func:`retort.reporting.scores.read_scores`."""
        return read_scores(self.root / self.paper / "scores.csv", self.paper)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run behind the scores, pretraining runs first, each kind by stage and name.

        Runs of older configurations stay in the folder; only the scored stages and what they start
        from, learn from or take their vocabulary from are listed.
        """
        stages = self.root / "stages"
        found = [Run(path.parent.name, "", read_card(path)) for path in sorted(stages.glob("*/card.json"))]
        found += [
            Run(path.parents[2].name, path.parent.name, read_card(path))
            for path in sorted(stages.glob("*/tasks/*/card.json"))
        ]
        # After a search a task's own name is the second name of its best run.
        found = [run for run in found if run.card["stage"].get("run", run.name) == run.name]
        needed = {run.digest: run.parents for run in found}
        used: set[str] = set()
        waiting = [_digest(stage) for stage in self.scores["stage"].unique() if stage]
        while waiting:
            digest = waiting.pop()
            if digest not in used:
                used.add(digest)
                waiting += needed.get(digest, ())
        return tuple(run for run in found if run.digest in used)

    @cached_property
    def gates(self) -> dict[str, dict[str, Any]]:
        """Scores of each teacher that the gates looked at; empty where they were not checked."""
        path = self.root / "gates.json"
        found: dict[str, dict[str, Any]] = read_json(path) if path.is_file() else {}
        return found

    @cached_property
    def hyper_parameters(self) -> pd.DataFrame:
        """The batch size and learning rate behind each score, all fields as text, see the collecting step.

        Raises:
            InputError: there is no such file, or it is no such table.
        """
        path = self.root / self.paper / "hyper_parameters.csv"
        return read_table(path, CHOICES, COLLECT)

    @cached_property
    def speed(self) -> pd.DataFrame:
        """How long students and teachers take for a batch, all fields as text, see the timing step.

        Raises:
            InputError: there is no such file, or it is no such table.
        """
        return read_table(self.root / self.paper / "speed.csv", SPEED, "run the step that times the models")

    @cached_property
    def landscape(self) -> pd.DataFrame:
        """The loss around students, point by point, all fields as text, see the step that cuts through it.

        Raises:
            InputError: there is no such file, or it is no such table.
        """
        path = self.root / self.paper / "landscape.csv"
        return read_table(path, LANDSCAPE, "run the step that cuts through the loss")

    def stage(self, name: str) -> Path:
        """Folder of a stage."""
        return self.root / "stages" / name

    def run(self, stage: str, name: str) -> Path:
        """Folder of a run of a task stage: columns ``stage`` and ``run`` of the scores."""
        return run_folder(self.stage(stage), name)

    def published_table(self, name: str) -> pd.DataFrame:
        """Numbers that the paper prints, all fields as text, absent ones empty.

        Raises:
            InputError: there is no such file.
        """
        path = self.published / self.paper / f"{name}.csv"
        return read_table(path, (), "it holds the numbers that the paper prints")

    def text_folder(self, part: str = CORPUS) -> Path:
        """Folder with the encoded corpus, its tokenizer and word frequencies, or with the examples of a task.

        Raises:
            InputError: it does not exist.
        """
        folder = self.root / "text" / text_names(self.config)[part]
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; run the steps that encode the text first")
        return folder

    def vocabulary_rows(self) -> int | None:
        """Rows of the full word table at this scale; ``None`` while the text is not encoded."""
        if not (self.root / "text").is_dir():
            return None
        rows: int = read_json(self.text_folder() / "summary.json")["vocabulary_rows"]
        return rows


def _digest(stage: str) -> str:
    """The last part of a stage's name, by which other stages call it."""
    return stage.rpartition(".")[2]
