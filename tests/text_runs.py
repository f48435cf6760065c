"""A small finished run of the paper on transformers models, in the real formats, with made-up numbers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from run_cards import run_card

from retort.config import load
from retort.files import digest_of, write_json, write_text
from retort.papers import paper_of
from retort.reporting.results import SPEED
from retort.reporting.scores import COLUMNS

SEEDS = (1, 2, 3)
TASKS = {"bart": ("XSum", "CNN-DM"), "mbart": ("WMT16-en-ro",), "bert": ("CoLA", "STS-B", "RTE")}
LABELS = {"bart": "BART", "mbart": "mBART", "bert": "BERT"}
"""Of families; their teachers are called so, too."""
SIZES = {
    "BART": (2, 2, 64), "BART_1x32": (1, 1, 32), "BART_2x32": (2, 2, 32), "BART_1x64": (1, 1, 64),
    "mBART": (2, 2, 64), "mBART_2_1x32": (2, 1, 32),
    "BERT": (2, 0, 64), "BERT_2x32": (2, 0, 32),
}  # fmt: skip
LEVELS = {
    "BART CKA": 30.0, "BART linear": 20.0, "BART cosine": 26.0, "BART none": 24.0, "BART CKA C4": 32.0,
    "mBART CKA": 18.0, "mBART none": 12.0, "BERT CKA": 50.0, "BERT none": 20.5,
}  # fmt: skip
"""Mean over seeds of every metric of a method, on the first student and the first task."""
STUDENTS = {
    "BART": ["BART_1x32", "BART_2x32"], "BART cosine": ["BART_1x64"],
    "mBART": ["mBART_2_1x32"], "BERT": ["BERT_2x32"],
}  # fmt: skip
"""Of a method, or of the others of its family."""
UNDER_ONE_RECIPE = {"CKA": 25.0, "linear": 29.0, "none": 25.5, "cosine": 23.0}
"""Level of BART's methods under one recipe."""
OF_ONE_RECIPE = {
    "CKA": ["BART_1x32", "BART_1x64"],
    "linear": ["BART_1x32", "BART_1x64"],
    "none": ["BART_1x32", "BART_1x64"],
    "cosine": ["BART_1x64"],
}
PRETRAINED = ("BART CKA C4", "mBART CKA", "mBART none", "BERT CKA", "BERT none")
OPTIMISER = {"learning_rate": 1e-3, "schedule": "linear", "warmup": 0.0, "muon": None}
FLOOR, TEACHER, STEP = 20.0, 60.0, 2.0
"""Of baselines, of teachers, and between seeds."""


def text_config() -> dict[str, Any]:
    """The section ``cka`` of a configuration: that of the pocket scale with other models and methods."""
    section = load("pocket").cka
    assert section is not None
    base = json.loads(section.model_dump_json())
    corpus = base["tracks"]["bert"]["pretraining"]
    return base | {
        "seeds": list(SEEDS),
        "tracks": {name: _track(name, base["tracks"][name], corpus) for name in TASKS},
    }


def _track(name: str, base: dict[str, Any], corpus: dict[str, Any]) -> dict[str, Any]:
    teacher = LABELS[name]
    symbols = [symbol for symbol in SIZES if symbol.partition("_")[0] == teacher]
    methods = [method for method in LEVELS if method.split()[0] == teacher]
    alike = next(iter(base["models"].values()))
    under_one = {f"BART {kind} (one recipe)": row for kind, row in OF_ONE_RECIPE.items()}
    return base | {
        "models": {symbol: alike | _model(symbol) for symbol in symbols},
        "teachers": [teacher],
        "methods": {method: students_of(method) for method in methods},
        "variants": under_one if name == "bart" else {},
        "tasks": {task: base["tasks"][task] for task in TASKS[name]},
        "pretraining": corpus | {"noise": base["pretraining"]["noise"]},
        "gates": {TASKS[name][0]: 55.0},
    }


def _model(symbol: str) -> dict[str, Any]:
    encoder, decoder, width = SIZES[symbol]
    heads = {"heads": 2, "inner": 4 * width, "positions": 64, "dropout": 0.1}
    return {"encoder_layers": encoder, "decoder_layers": decoder, "width": width} | heads


def students_of(method: str) -> list[str]:
    """The students that a method trains."""
    return STUDENTS.get(method, STUDENTS[method.split()[0]])


def cells() -> Iterator[tuple[str, str, str, str, int, float]]:
    """(role, track, method, pair, seed, level) of everything that is trained."""
    for track, teacher in LABELS.items():
        yield "teacher", track, teacher, teacher, 1234, TEACHER
        for method, level in LEVELS.items():
            for number, student in enumerate(students_of(method)):
                if method.split()[0] == teacher:
                    for seed in SEEDS:
                        yield "student", track, method, f"{teacher}-{student}", seed, level + 5 * number
    for kind, students in OF_ONE_RECIPE.items():
        for student in students:
            for seed in SEEDS:
                level = UNDER_ONE_RECIPE[kind]
                yield "variant", "bart", f"BART {kind} (one recipe)", f"BART-{student}", seed, level


def score_rows() -> list[tuple[Any, ...]]:
    """Rows of scores.csv: a level for each method, some points less on later tasks, and a step a seed."""
    paper, rows = paper_of("cka"), []
    for protocol in ("paper", "held_out"):
        less = 1.0 if protocol == "held_out" else 0.0
        for track, tasks in TASKS.items():
            name = "majority" if track == "bert" else "copy"
            for task in tasks:
                rows += [
                    ("baseline", name, "", "", task, metric, protocol, FLOOR, "", "")
                    for metric in paper.task(task).metrics
                ]
        for role, track, method, pair, seed, level in cells():
            around = 0.0 if role == "teacher" else STEP * (seed - 2)
            for place, task in enumerate(TASKS[track]):
                value = level + around - 4.0 * place - less
                head = (role, method, pair, seed, task)
                rows += [
                    (*head, metric, protocol, value, stage_of(method, pair, seed), task)
                    for metric in paper.task(task).metrics
                ]
    return rows


def stage_of(method: str, pair: str, seed: int, phase: str = "task") -> str:
    """Name of a stage's folder."""
    return f"{pair.rpartition('-')[2]}.{phase}.words.s{seed}.{digest_of([method, pair, seed, phase])}"


def make_text_results(root: Path) -> None:
    """Write ``<root>/cka`` and the folders of all runs."""
    rows = score_rows()
    write_csv(root / "cka" / "scores.csv", (*COLUMNS, "run"), rows)
    write_csv(root / "cka" / "speed.csv", SPEED, speed_rows())
    for role, track, method, pair, seed, _ in cells():
        init = None
        if role == "student" and method in PRETRAINED:
            name = stage_of(method, pair, seed, "pre")
            init = name.rpartition(".")[2]
            write_run(root, name, track, "", None, method)
            write_probes(root / "stages" / name / "distances.jsonl", track)
        for task in TASKS[track]:
            write_run(root, stage_of(method, pair, seed), track, task, init, method)


def speed_rows() -> list[tuple[Any, ...]]:
    """Rows of speed.csv, two batch sizes a model."""
    rows: list[tuple[Any, ...]] = []
    for track, teacher in LABELS.items():
        kind = {"bert": "classes", "bart": "summarisation", "mbart": "translation"}[track]
        for symbol, (encoder, decoder, width) in SIZES.items():
            if symbol.partition("_")[0] == teacher:
                share = width * (encoder + decoder) / (64 * (2 + 2 * (track != "bert")))
                for batch in (1, 16):
                    median = 10.0 * batch * share
                    numbers = (median, 0.9 * median, 1.2 * median, 20, round(share, 4))
                    count = 1000 * width * (encoder + decoder)
                    place = ("cpu", "Test <CPU>, 1 thread", "2.0")
                    rows.append(
                        (track, symbol, count, kind, batch, 32, 8 if decoder else "", *place, *numbers)
                    )
    return rows


def write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def make_stage(track: str, symbol: str, task: str, init: str | None, hidden: str) -> dict[str, Any]:
    """A resolved stage as a card holds it."""
    plain = {"layers": None, "via": [], "mask": "valid", "norm": "valid", "above": None, "edited": False}
    terms = [
        plain | {"site": "words", "by": {"is": "ReverseKL", "temperature": 1.0}, "weight": 1.0},
        plain | {"site": "hidden", "by": {"is": hidden}, "weight": 1.0, "layers": {"is": "BlockEnds"}},
    ]
    length = {"optimiser": OPTIMISER, "batch_size": 4}
    size = _model(symbol) | {"is": "TextArchitecture", "name": symbol, "kind": track}
    teacher = digest_of([LABELS[track], LABELS[track], 1234, "task"])
    cut = {"is": "Truncation", "source": teacher, "part": {"is": "Slices", "layer": "last"}}
    student = symbol != LABELS[track]
    return {
        "is": "Stage",
        "phase": "task" if task else "pretraining",
        "architecture": size,
        "objective": {"terms": terms, "ensemble": {"is": "Mean"}, "edit": None},
        "schooling": [length | {"is": "PairRun", "task": task, "text": f"{task}.1", "epochs": 4}]
        if task
        else length | {"steps": 30},
        "task": task or None,
        "init": init,
        "truncated": cut if student and init is None else None,
        "teachers": [teacher] if student else [],
        "seed": 1,
        "data": "corpus.1",
    }


def write_run(root: Path, stage: str, track: str, task: str, init: str | None, method: str) -> None:
    """A run's card, log and, of a task, metrics: losses fall over four epochs, one evaluation each."""
    symbol = stage.partition(".")[0]
    hidden = "CKA" if "CKA" in method else "MSE"
    described = make_stage(track, symbol, task, init, hidden)
    found = {"best": {"rouge2": 30.0}} if task else {"last_loss": 0.5}
    card = run_card(stage, described, results=found)
    folder = root / "stages" / stage / "tasks" / task if task else root / "stages" / stage
    write_json(folder / "card.json", card)
    lines = [
        {"step": n, "loss": 9 / n, "parts": {"0-words": 8 / n, "1-hidden": 1 / n}} for n in range(10, 50, 10)
    ]
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if task:
        if method not in LABELS.values():
            write_probes(folder / "distances.jsonl", track)
        write_json(folder / "metrics.json", {"evaluations": list(_evaluations(track, task, method))})


def _evaluations(track: str, task: str, method: str) -> Iterator[dict[str, Any]]:
    level = 30 / LEVELS.get(method, TEACHER)
    for epoch in range(5):
        scores = dict.fromkeys(paper_of("cka").task(task).metrics, 10.0 * epoch)
        found = {"step": 10 * epoch} | dict.fromkeys(("all", "select", "report"), scores)
        yield (
            found
            if track == "bert"
            else found | {"losses": {"clm": level + 4 - epoch, "kl": level / (1 + epoch)}}
        )


def write_probes(path: Path, track: str) -> None:
    """Distances while the loss falls: one layer follows it, another moves against it."""
    stacks = ("hidden",) if track == "bert" else ("encoder", "hidden")
    lines = []
    for step in range(1, 21):
        loss = 5 / step + 0.01 * math.sin(step)
        line = {"step": step, "loss": loss, "lm_loss": 1 + loss, "kl:words": 2 * loss}
        for site in stacks:
            line |= {f"cka:{site}:0": loss**2, f"cka:{site}:1": 1 - loss / 9, f"gram_kl:{site}:1": loss / 2}
        lines.append(line)
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
