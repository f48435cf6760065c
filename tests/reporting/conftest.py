"""A small synthetic results folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from retort.config import load
from retort.data.frequencies import rank
from retort.data.superglue.tasks import SPECS
from retort.data.tokenizer import COMMANDS, Tokenizer
from retort.evaluation.collect import CHOICES
from retort.files import write_json, write_text
from retort.reporting.scores import COLUMNS

LEVEL = {"GLM": 88.0, "KD": 46.0, "PD": 60.0, "TinyBERT": 80.0, "GLMD-vc": 86.0, "GLMD": 82.0}
GATES = {
    "T1": {
        "zero_shot": dict.fromkeys(SPECS, 90.0),
        "fine_tuned": dict.fromkeys(SPECS, 88.0),
        "fine_tuned_average": 88.0,
        "missed": [],
    }
}
MODEL = {"layers": 2, "width": 64, "heads": 2, "vocab": 704, "positions": 96}


def score_rows(methods=LEVEL, seeds=(1, 2, 3), protocols=("paper", "held_out")):
    """Rows of scores.csv: baseline 45 everywhere, a level for each method, one point a seed."""
    rows = []
    for task, spec in SPECS.items():
        for metric in spec.metrics:
            for protocol in protocols:
                rows.append(("baseline", "majority", "", "", task, metric, protocol, 45.0, ""))
                for method in methods:
                    teacher = method == "GLM"
                    pair, role = ("T1", "teacher") if teacher else ("T1-S1", "student")
                    for seed in (1234,) if teacher else seeds:
                        value = LEVEL[method] + (0 if teacher else seed - 2) - (protocol == "held_out")
                        stage = f"{pair[-2:]}.task.{method}.s{seed}.{method}-{seed}"
                        rows.append((role, method, pair, seed, task, metric, protocol, value, stage))
    return rows


def write_scores(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def write_hyper_parameters(path: Path, rows) -> None:
    """One point a method and task, as without a search: (role, method, pair, task) of scores."""
    cells = dict.fromkeys((row[0], row[1], row[2], row[4], row[6]) for row in rows if row[0] != "baseline")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(CHOICES)
        writer.writerows((*cell, 16, 0.001, 1 if cell[0] == "teacher" else 3, 80.5, 1) for cell in cells)


def write_run(root: Path, name: str, task: str, init: str | None, vocab: int = MODEL["vocab"]) -> None:
    card = {
        "version": 1,
        "stage": {"is": "Stage", "init": init, "seed": 1, "data": "0123456789"},
        "code": "c0de",
        "git_commit": "0123456789abcdef",
        "packages": {"torch": "2.0"},
        "python": "3.11.0",
        "device": {"kind": "cpu", "name": "Test <CPU>", "threads": 1},
        "started": "2030-01-01T00:00:00+00:00",
        "finished": "2030-01-01T00:10:00+00:00",
        "seconds": 60.0,
        "steps": 100,
        "tokens": 1000,
        "tokens_per_second": 16.7,
        "peak_memory_mib": {"resident": 400.0},
        "results": {},
    }
    folder = root / "stages" / name / "tasks" / task if task else root / "stages" / name
    write_json(folder / "card.json", card)
    write_json(folder / "config.json", MODEL | {"vocab": vocab})


def write_distances(path: Path, steps: int = 30) -> None:
    """Loss falls; layer 1 follows it, layer 2 moves against it, one distance is constant."""
    lines = []
    for step in range(1, steps + 1):
        loss = 5 / step + 0.01 * math.sin(step)
        lines.append(
            {
                "step": step,
                "loss": loss,
                "kl:words": 2 * loss,
                "mse:scores:1": loss**2,
                "mse:scores:2": -loss,
                "cka:hidden:0": 1 - 1 / step,
                "cka:hidden:1": 0.5,
            }
        )
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def make_text(folder: Path) -> None:
    """A tokenizer, Zipf-like frequencies and encoded tasks of one scale."""
    import numpy as np

    from retort.data.examples import ClozeExample, GLMExample
    from retort.data.store import save_examples

    tokenizer = Tokenizer([*COMMANDS, *(f"w{i}" for i in range(193))])
    tokenizer.save(folder / "tokenizer.json")
    counts = np.array([0] * len(COMMANDS) + [10000 // (i + 1) for i in range(193)])
    rank(counts, np.arange(len(counts)), range(len(COMMANDS))).write(folder / "frequencies.tsv", tokenizer)
    write_json(folder / "summary.json", {"vocabulary": 200, "vocabulary_rows": 200})
    random = np.random.default_rng(0)
    for task in SPECS:
        for split in ("train", "val"):
            examples = []
            for index in range(40):
                words = len(COMMANDS) + np.minimum(random.zipf(1.4, 20), 193) - 1
                tokens = np.concatenate([[2], words, [5]]).astype(np.int32)
                row = GLMExample(
                    tokens, np.zeros((2, len(tokens)), np.int32), len(tokens) - 1, tokens, tokens == 5
                )
                examples.append(ClozeExample(str(index), (row, row), 0, None, {}))
            save_examples(folder / "tasks", f"{task}.{split}", examples)


def make_results(folder: Path) -> Path:
    """results/<scale> of a finished run."""
    root = folder / "results" / "pocket"
    config = load("pocket", {"methods": list(LEVEL)[1:], "pairs": ["T1-S1"], "seeds": [1, 2, 3]})
    write_text(root / "config.json", config.model_dump_json())
    rows = score_rows()
    write_scores(root / "glmd" / "scores.csv", rows)
    write_hyper_parameters(root / "glmd" / "hyper_parameters.csv", rows)
    for name in {row[-1] for row in rows if row[-1]}:
        method, seed = name.split(".")[2:4]
        for task in SPECS:
            write_run(root, name, task, f"pre-{method}-{seed}", 352 if ".GLMD." in name else 704)
        pretraining = root / "stages" / f"S1.pre.{method}.{seed}.pre-{method}-{seed}"
        write_run(root, pretraining.name, "", None)
        if method in ("GLMD-vc", "TinyBERT"):
            write_distances(pretraining / "distances.jsonl")
    make_text(root / "text" / "0123456789")
    write_json(root / "gates.json", GATES)
    return root


@pytest.fixture
def results_root(tmp_path: Path) -> Path:
    """results/<scale> of a finished run, for one test."""
    return make_results(tmp_path)


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, shared by tests that change nothing but what they write anew."""
    return make_results(tmp_path_factory.mktemp("shared"))
