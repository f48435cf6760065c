"""A small synthetic results folder."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from prompt_runs import make_prompt_results, prompt_config
from run_cards import run_card
from text_runs import make_text_results, text_config

from retort.config import Config, load
from retort.data.frequencies import rank
from retort.data.superglue.tasks import SPECS
from retort.data.tokenizer import COMMANDS, Tokenizer
from retort.evaluation.collect import CHOICES
from retort.files import write_json, write_text
from retort.reporting.exhibits import exhibits_of, write_figure
from retort.reporting.page import write_page
from retort.reporting.results import PUBLISHED, Results
from retort.reporting.scores import COLUMNS
from retort.reporting.tables import write_table
from retort.texts import text_names

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


CLAIMS = """\
id,where,statement,verdict,effect,low,high,published,n_seeds,needed,note
a,Table 3,A beats B,supported,4.2,1.1,7.3,2.4,3,3,
b,"Table 3, section 5",B is worst,undecided,-1.1,-6.0,4.4,-3.2,3,5,holds zero
c,Table 5,C helps,not run,,,,0.6,0,3,
"""


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


def make_stage(init: str | None, task: str) -> dict:
    """A resolved stage as a card holds it: words and labels, two steps of training."""
    plain = {"layers": None, "via": [], "mask": "none", "norm": "all", "above": None, "edited": False}
    by = {"is": "KL", "temperature": 2.0, "squared": True}
    optimiser = {"learning_rate": 0.001, "schedule": "linear", "warmup": 0.1, "muon": None}
    length = {"optimiser": optimiser, "batch_size": 16}
    return {
        "is": "Stage",
        "phase": "task" if task else "pretraining",
        "architecture": MODEL | {"is": "Architecture"},
        "objective": {
            "terms": [
                plain | {"site": "words", "by": by, "weight": 0.5, "mask": "valid"},
                plain | {"site": "hard", "by": None, "weight": 1.0},
            ],
            "ensemble": {"is": "Mean"},
            "edit": None,
        },
        "schooling": [length | {"task": task, "text": f"{task}.1", "epochs": 2}]
        if task
        else length | {"steps": 100},
        "task": task or None,
        "init": init,
        "teachers": [],
        "seed": 1,
        "data": "corpus.1",
    }


def write_run(root: Path, name: str, task: str, init: str | None, vocab: int = MODEL["vocab"]) -> None:
    found = {"best": {"accuracy": 61.0}} if task else {"last_loss": 0.5}
    card = run_card(
        name,
        make_stage(init, task),
        packages={"torch": "2.0"},
        started="2030-01-01T00:00:00+00:00",
        finished="2030-01-01T00:10:00+00:00",
        seconds=60.0,
        processor_seconds=55.0,
        steps=100,
        tokens_per_second=16.7,
        peak_memory_mib={"resident": 400.0},
        results=found,
    )
    folder = root / "stages" / name / "tasks" / task if task else root / "stages" / name
    write_json(folder / "card.json", card)
    write_json(folder / "config.json", MODEL | {"vocab": vocab})
    steps = range(10, 1010, 10)
    lines = [{"step": n, "loss": 9 / n, "parts": {"0-words": 8 / n, "1-hard": 1 / n}} for n in steps]
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if task:
        scores = {split: {"accuracy": 61.0} for split in ("all", "select", "report")}
        write_json(folder / "metrics.json", {"evaluations": [{"step": 0} | scores, {"step": 500} | scores]})


def write_distances(path: Path, steps: int = 30) -> None:
    """Loss falls, perplexity follows; layer 1 follows, layer 2 moves against it, one distance is constant."""
    lines = []
    for step in range(1, steps + 1):
        loss = 5 / step + 0.01 * math.sin(step)
        lines.append(
            {
                "step": step,
                "loss": loss,
                "lm_loss": 1 + loss,
                "kl:words": 2 * loss,
                "mse:scores:1": loss**2,
                "mse:scores:2": -loss,
                "cka:hidden:0": 1 - 1 / step,
                "cka:hidden:1": 0.5,
            }
        )
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def make_text(text: Path, names: dict[str, str]) -> None:
    """A tokenizer, Zipf-like frequencies and encoded tasks of one scale."""
    import numpy as np

    from retort.data.examples import ClozeExample, GLMExample
    from retort.data.store import save_examples

    folder = text / names["corpus"]
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
            save_examples(text / names[task], split, examples)


def make_results(folder: Path, **more: Any) -> Path:
    """results/<scale> of a finished run; ``more``: sections of its configuration, each as a whole."""
    root = folder / "results" / "pocket"
    given = {"papers": ["glmd"], "methods": list(LEVEL)[1:], "pairs": ["T1-S1"], "seeds": [1, 2, 3]}
    values = json.loads(load("pocket", given).model_dump_json()) | more
    config = Config.model_validate_json(json.dumps(values))
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
    make_text(root / "text", text_names(config))
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


@pytest.fixture(scope="session")
def two_papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the paper on transformers models, shared by tests that change nothing."""
    both = {"papers": ["glmd", "cka"], "cka": text_config()}
    root = make_results(tmp_path_factory.mktemp("two"), **both)
    make_text_results(root)
    return root


@pytest.fixture
def texts(two_papers: Path) -> Results:
    """What that run says of the paper on transformers models."""
    return Results(two_papers, "cka")


@pytest.fixture(scope="session")
def both_pages(two_papers: Path, page: Path) -> Path:
    """The page of both papers, with judged claims; the first paper's figures are those of its own page."""
    shutil.copytree(page.parent.parent / "glmd" / "figures", two_papers / "glmd" / "figures")
    for paper in ("glmd", "cka"):
        text = CLAIMS if paper == "glmd" else CLAIMS.replace("Table", "Abstract")
        write_text(two_papers / paper / "claims.csv", text)
    for name, table in exhibits_of("cka").tables.items():
        if name not in ("claims", "quirk_effects"):
            write_table(table(Results(two_papers, "cka")), two_papers / "cka" / "tables")
    return draw(two_papers, ("cka",))


def draw(root: Path, papers: tuple[str, ...]) -> Path:
    """Draw all figures and write the page."""
    for paper in papers:
        for name in exhibits_of(paper).figures:
            write_figure(Results(root, paper), name, root / paper / "figures")
    path = root / "report" / "index.html"
    write_page(root, PUBLISHED, path)
    return path


@pytest.fixture(scope="session")
def page(shared_root: Path) -> Path:
    """The page of that run, with judged claims."""
    write_text(shared_root / "glmd" / "claims.csv", CLAIMS)
    return draw(shared_root, ("glmd",))


@pytest.fixture(scope="session")
def prompts_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/<scale> of a finished run of the paper on causal models, for tests that change nothing."""
    root = tmp_path_factory.mktemp("prompts") / "results" / "pocket"
    values = json.loads(load("pocket").model_dump_json()) | {"papers": ["atkd"], "atkd": prompt_config()}
    write_text(root / "config.json", Config.model_validate_json(json.dumps(values)).model_dump_json())
    make_prompt_results(root)
    write_json(root / "gates.json", {})
    return root


@pytest.fixture
def prompts(prompts_root: Path) -> Results:
    """What that run says."""
    return Results(prompts_root, "atkd")
