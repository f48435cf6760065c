"""Where everything of one scale lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retort.files import digest_of
from retort.stages import Stage, to_json


def run_folder(stage: Path, run: str) -> Path:
    """The folder of a run inside its task stage's: model, predictions, metrics, log, card."""
    return stage / "tasks" / run


@dataclass(frozen=True)
class Layout:
    """Paths below ``results/<scale>``; folders are named after their content, so old results stay.

    Attributes:
        root: ``results/<scale>``.
    """

    root: Path

    def data(self, part: str) -> Path:
        """Raw data of the corpus or of a task in official layouts, with ``manifest.json``."""
        return self.root / "data" / part

    def config(self, digest: str) -> Path:
        """The resolved configuration with a digest: what the steps of a run read, see :attr:`Plan.digest`."""
        return self.root / "configs" / f"{digest}.json"

    def text(self, part: str) -> Path:
        """The encoded corpus with tokenizer and word frequencies, or the encoded examples of a task."""
        return self.root / "text" / part

    def stage(self, stage: Stage) -> Path:
        """What a training stage made."""
        return self.root / "stages" / stage.id

    def task_model(self, stage: Stage, run: str) -> Path:
        """What one run of a task stage made, by its name (see :attr:`retort.stages.Stage.runs`).

        A task's own name always leads somewhere: after a search, to the stage's best run of that task.
        """
        return run_folder(self.stage(stage), run)

    def signals(self, teacher: Stage) -> Path:
        """Stored signals of a fine-tuned teacher, one file a task."""
        return self.root / "signals" / teacher.id

    def vocabulary(self, stage: Stage) -> Path:
        """Vocabulary map of a stage with a compressed vocabulary."""
        assert stage.mapped_by is not None
        name = digest_of([stage.mapped_by.digest, to_json(stage.compression)])
        return self.root / "vocabulary" / name / "map.safetensors"

    def scratch(self, stage: Stage, digest: str) -> Path:
        """Training state: undeclared, named after the stage, its code and inputs, removed on success."""
        return self.root / ".scratch" / f"{stage.id}-{digest}"

    def kept(self, scratch: Path) -> Path:
        """Results of the finished stage with this scratch folder, until the workflow has succeeded."""
        return self.root / ".finished" / scratch.name

    @property
    def leases(self) -> Path:
        """Who works on which stage."""
        return self.root / ".leases"

    @property
    def progress(self) -> Path:
        """Status files of running jobs."""
        return self.root / ".progress"
