"""Small finished runs whose truth is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from retort.config import load
from retort.files import digest_of, write_text
from retort.reporting.results import Results
from retort.reporting.scores import COLUMNS

TASKS = ("BoolQ", "RTE")
EXAMPLES = 200


def rights(errors: int, start: int = 0, examples: int = EXAMPLES) -> np.ndarray:
    """Which answers are right: all but ``errors`` in a row."""
    right = np.ones(examples, dtype=bool)
    right[(start + np.arange(errors)) % examples] = False
    return right


class Run:
    """Writes a results folder cell by cell; answers are the same in both tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[tuple] = []
        write_text(
            root / "config.json", load("pocket", {"papers": ["glmd"], "tasks": list(TASKS)}).model_dump_json()
        )

    def add(
        self, method: str, right: Mapping[int, np.ndarray], pair: str = "T1-S1", role: str = "student"
    ) -> Run:
        """One cell: right answers by seed."""
        for seed, answers in right.items():
            stage = f"{pair[-2:]}.task.x.s{seed}.{digest_of([method, pair, seed])}"
            for task in TASKS:
                lines = [
                    json.dumps(
                        {"key": f"{task}/val/{i}", "prediction": int(ok), "label": 1, "scores": [0, 1]}
                    )
                    for i, ok in enumerate(answers)
                ]
                folder = self.root / "stages" / stage / "tasks" / task
                folder.mkdir(parents=True)
                # Plainly: thousands of these files, each forced to disk, would take most of a test's time.
                (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))
                size = {"vocab": 50 if method == "GLMD" else 100, "width": 8}
                (folder / "config.json").write_text(json.dumps(size))
                value = f"{100 * answers.mean():.6g}"
                self.rows.append((role, method, pair, seed, task, "accuracy", "paper", value, stage))
        return self

    def results(self) -> Results:
        """The results so far."""
        path = self.root / "glmd" / "scores.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)
        return Results(self.root)
