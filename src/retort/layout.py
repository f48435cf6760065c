"""Where everything of one scale lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retort.files import digest_of
from retort.stages import Stage, to_json


@dataclass(frozen=True)
class Layout:
    """Paths below ``results/<scale>``; folders are named after their content, so old results stay.

    Attributes:
        root: ``results/<scale>``.
    """

    root: Path

    def data(self, digest: str) -> Path:
        """Raw data in official layouts, with ``manifest.json``."""
        return self.root / "data" / digest

    def text(self, digest: str) -> Path:
        """Tokenizer, word frequencies, encoded corpus and encoded tasks."""
        return self.root / "text" / digest

    def stage(self, stage: Stage) -> Path:
        """What a training stage made."""
        return self.root / "stages" / stage.id

    def task_model(self, stage: Stage, task: str) -> Path:
        """The model that a task stage made for one task."""
        return self.stage(stage) / "tasks" / task

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

    @property
    def progress(self) -> Path:
        """Status files of running jobs."""
        return self.root / ".progress"
