"""Small finished runs of the paper on transformers models, with the files that claims are judged by."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from retort.claims.judging import judge
from retort.config import load
from retort.evaluation.glue_metrics import score_glue
from retort.evaluation.text_metrics import score_texts
from retort.files import digest_of, write_lines, write_text
from retort.papers import paper_of
from retort.reporting.results import Results
from retort.reporting.scores import COLUMNS

WORDS = (
    "the",
    "a",
    "cat",
    "dog",
    "bird",
    "sat",
    "ran",
    "flew",
    "on",
    "over",
    "under",
    "mat",
    "house",
    "tree",
)
FAMILIES = {"BART": "bart", "mBART": "mbart", "BERT": "bert", "T5": "t5"}
Answers = Sequence[tuple[Any, Any]]
"""(prediction, label) or (text, references)."""


def classes(seed: int, right: float, number: int = 120, count: int = 2) -> list[tuple[int, int]]:
    """Predictions of which a share is right, the others anything; labels are those of every seed."""
    labels = np.random.default_rng(0).integers(0, count, number)
    random = np.random.default_rng([1, seed])
    wrong = random.integers(0, count, number)
    found = np.where(random.random(number) < right, labels, wrong)
    return list(zip(found.tolist(), labels.tolist(), strict=True))


def texts(seed: int, kept: float, number: int = 40) -> list[tuple[str, list[str]]]:
    """Copies of a reference with each word kept with some chance, else another one."""
    fixed, random = np.random.default_rng(0), np.random.default_rng([2, seed])
    found = []
    for _ in range(number):
        right = fixed.choice(WORDS, fixed.integers(6, 14))
        noise = random.choice(WORDS, len(right))
        said = np.where(random.random(len(right)) < kept, right, noise)
        found.append((" ".join(said), [" ".join(right), " ".join(right[1:])]))
    return found


CKA, NONE = "BERT CKA @ any pair", "BERT none @ any pair"
LARGE, SMALL = "BERT-BERT_1x64", "BERT-BERT_1x32"


def findings(run: TextRun, ledger: Callable[..., Path], *tests: str) -> Any:
    """What the run says to tests; of one test, that alone."""
    found = [judgement.finding for judgement in judge(run.results(), ledger(*tests), draws=400)]
    return found[0] if len(found) == 1 else found


class TextRun:
    """Writes a results folder run by run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[tuple[Any, ...]] = []
        settings = json.loads(load("pocket").model_dump_json())
        tracks = {name: _track(name) for name in FAMILIES}
        settings |= {"papers": ["glmd", "cka"], "cka": _section(tracks)}
        write_text(root / "config.json", json.dumps(settings))

    def add(
        self,
        method: str,
        task: str,
        answers: Mapping[int, Answers],
        pair: str = "BERT-BERT_1x64",
        role: str = "student",
        width: int = 64,
        start: str | None = None,
        **card: Any,
    ) -> TextRun:
        """One method on one task, answers by seed; ``start``: whose pretraining stage it begins with."""
        for seed, said in answers.items():
            stage = _stage(method, pair, seed, "task")
            folder = self.root / "stages" / stage / "tasks" / task
            folder.mkdir(parents=True)
            (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in _lines(task, said)))
            save_file({"words": np.zeros((10, width)), "layer": np.zeros((width, width))},
                      folder / "model.safetensors")  # fmt: skip
            init = None if start is None else _stage(start, pair, seed, "pre").rpartition(".")[2]
            _card(folder, _described("task", init), card)
            for metric, value in metrics(task, said).items():
                head = (role, method, pair, seed, task, metric, "paper", f"{value:.6g}")
                self.rows.append((*head, stage, task))
        return self

    def pretrain(
        self, method: str, seed: int, pair: str, distances: Sequence[dict] = (), **card: Any
    ) -> None:
        """The pretraining stage of a method."""
        folder = self.root / "stages" / _stage(method, pair, seed, "pre")
        _card(folder, _described("pretraining", None), card)
        if distances:
            write_lines(folder / "distances.jsonl", [json.dumps(line) for line in distances])

    def results(self) -> Results:
        """The results so far."""
        path = self.root / "cka" / "scores.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow((*COLUMNS, "run"))
            writer.writerows(self.rows)
        return Results(self.root, "cka")


def metrics(task: str, said: Answers) -> dict[str, float]:
    """The official metrics of answers (MNLI: the first half is matched)."""
    kind = paper_of("cka").task(task).kind
    if kind == "classes":
        half = len(said) // 2
        splits = {"val": said[:half], "val_mismatched": said[half:]} if task == "MNLI" else {"val": said}
        sides = [{split: [item[side] for item in rows] for split, rows in splits.items()} for side in (0, 1)]
        return score_glue(task, *sides)
    generated, references = ({str(i): item[side] for i, item in enumerate(said)} for side in (0, 1))
    return score_texts(kind, generated, references).metrics


def _lines(task: str, said: Answers) -> list[str]:
    if paper_of("cka").task(task).kind != "classes":
        records = [{"key": f"{task}/val/{i}", "text": t, "references": r} for i, (t, r) in enumerate(said)]
        return [json.dumps(record) for record in records]
    half = len(said) // 2 if task == "MNLI" else len(said)
    return [
        json.dumps({
            "key": f"{task}/{'val' if i < half else 'val_mismatched'}/{i}",
            "prediction": value, "label": label, "scores": [0.5],
        })
        for i, (value, label) in enumerate(said)
    ]  # fmt: skip


def _stage(method: str, pair: str, seed: int, phase: str) -> str:
    return f"{pair.rpartition('-')[2]}.{phase}.words.s{seed}.{digest_of([method, pair, seed, phase])}"


def _described(phase: str, init: str | None) -> dict[str, Any]:
    cut = {"is": "Truncation", "source": "0" * 10}
    return {"phase": phase, "init": init, "truncated": None if init else cut, "teachers": ["0" * 10]}


def _card(folder: Path, stage: dict[str, Any], changes: dict[str, Any]) -> None:
    device = {"kind": "cpu", "name": "Test CPU", "threads": 1}
    card = {
        "version": 2, "stage": stage, "packages": {}, "device": device, "peak_memory_mib": {}, "results": {},
        "code": "c", "python": "3", "started": "", "finished": "", "git_commit": None, "seconds": 10.0,
        "steps": 5, "tokens": 1000, "tokens_per_second": 100.0,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    card |= changes | {"stage": stage | changes.get("stage", {})}
    (folder / "card.json").write_text(json.dumps(card))


def _section(tracks: dict[str, Any]) -> dict[str, Any]:
    few = {"train": 9, "dev": 9}
    pocket = {"documents": 9, "multilingual": 9, "glue": few, "pairs": few}
    limits = {"train": None, "dev": None, "corpus": None}
    return {"seeds": [1, 2], "pocket": pocket, "hub": None, "limits": limits, "tracks": tracks}


def _track(name: str) -> dict[str, Any]:
    size = {"encoder_layers": 2, "decoder_layers": 2, "width": 64, "heads": 2, "inner": 64, "positions": 64}
    curve = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "clip_norm": None}
    curve |= {"schedule": "linear", "warmup": 0.0, "floor": 0.0}
    return {
        "family": FAMILIES[name],
        "vocabulary": {"files": [], "size": 100},
        "models": {symbol: size | {"dropout": 0.1} for symbol in (name, f"{name}_1x64", f"{name}_1x32")},
        "teachers": [name],
        "methods": {f"{name} CKA": [f"{name}_1x64", f"{name}_1x32"]},
        "variants": {},
        "tasks": {"RTE": {"source": 32}},
        "pretraining": {"length": 32, "noise": "none", "teacher": None, "student": None},
        "task_training": {
            "epochs": {"teacher": 2, "student": 4}, "batch_size": 4, "micro_batch_size": None,
            "learning_rate": {"teacher": 1e-3, "student": 1e-3}, "optimiser": curve, "padding": "longest",
            "evaluations": 2,
        },
        "gates": {},
    }  # fmt: skip
