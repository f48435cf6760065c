"""Claims about causal models: the mean over sets, resampled set by set, and ladders of teachers."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from prompt_runs import prompt_config, stage_of
from safetensors.numpy import save_file

from retort.claims.answers import read_answers
from retort.claims.evidence import resampling
from retort.claims.judging import judge
from retort.claims.kinds import Cell
from retort.claims.ledger import ledger_path
from retort.claims.places import groups
from retort.claims.prompts import Said
from retort.config import load
from retort.data.prompt_examples import PromptExample
from retort.errors import InputError
from retort.evaluation.response_metrics import score_responses
from retort.files import write_text
from retort.papers import paper_of
from retort.reporting.results import Results
from retort.reporting.scores import COLUMNS

WORDS = ["the", "cat", "sat", "on", "a", "mat", "while", "the", "dog", "ran", "over"]


def responses(right: float, seed: int = 0) -> list[Said]:
    """Open questions of one set, and questions of two sub-tasks of different size of another."""
    random, lines = np.random.default_rng([seed, int(1000 * right)]), []
    for number in range(1, 13):
        said = [word if random.random() < right else "no" for word in WORDS[: 3 + number % 7]]
        good = " ".join(WORDS[: 3 + number % 7])
        lines.append(Said(f"dolly/{number}", " ".join(said), True, [good], good, ""))
    for number in range(1, 11):
        text = f"{'yes' if random.random() < right else 'no'} indeed"
        lines.append(Said(f"bbh/{number}", text, False, ["yes"], "yes", "web" if number < 4 else "snarks"))
    return lines


def official(lines: list[Said], chosen: np.ndarray) -> dict[str, float]:
    """Each set's score on some of the responses, as evaluations compute it."""
    found, none = {}, np.zeros(0, np.int32)
    for name, metric in (("dolly", "rougeL"), ("bbh", "starts")):
        places = [place for place, line in enumerate(lines) if line.set == name]
        if not places:
            continue
        part = [lines[place] for place in places]
        examples = [PromptExample(x.key, none, none, tuple(x.references), x.answer, x.group) for x in part]
        texts, ended = {x.key: x.text for x in part}, {x.key: x.ended for x in part}
        scores = score_responses(texts, ended, examples, by_group=name == "bbh")
        found[name] = scores.on([places.index(place) for place in chosen if place in places])[metric]
    return found


def mean(scores: dict[str, float]) -> float:
    return sum(scores.values()) / len(scores)


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line._asdict() | {"tokens": 3}) + "\n" for line in lines))
    return path


def read(path):
    return read_answers("instructions", paper_of("atkd").task("instructions"), path)


def test_draws_score_what_the_evaluation_would(tmp_path):
    lines = responses(0.6)
    answers = read(write(tmp_path / "predictions.jsonl", lines))
    assert (answers.records, answers.parts) == (22, {"dolly": 12, "bbh": 10})
    weights = resampling(0, (12, 10), 40)
    for row, score in zip(weights, answers.scores(weights), strict=True):
        chosen = np.repeat(np.arange(22), row.astype(int))
        assert score == pytest.approx(mean(official(lines, chosen)))
    assert answers.scores(np.ones((1, 22)))[0] == pytest.approx(mean(official(lines, np.arange(22))))


def test_each_set_keeps_its_size_in_every_draw():
    weights = resampling(3, (12, 10), 50)
    assert (weights[:, :12].sum(1) == 12).all() and (weights[:, 12:].sum(1) == 10).all()


def test_responses_without_sub_tasks_are_of_an_older_run(tmp_path):
    path = tmp_path / "predictions.jsonl"
    line = responses(1)[0]._asdict()
    del line["group"]
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(InputError, match="predictions.jsonl:1: not a prediction; run the stage again"):
        read(path)


def evidence(tmp_path, widths, methods):
    """Runs of methods on pairs, and of their teachers, whose models are so wide."""
    runs = {}
    for symbol, width in widths.items():
        folder = tmp_path / symbol
        folder.mkdir()
        save_file({"words": np.zeros((10, width))}, folder / "model.safetensors")
        runs[Cell(method="OPT", pair=symbol)] = {("1234", "instructions"): folder}
    for method, pairs in methods.items():
        for pair in pairs:
            folder = tmp_path / pair.rpartition("-")[2]
            runs[Cell(method=method, pair=pair)] = {("1", "instructions"): folder}
    return SimpleNamespace(runs=runs)


def test_the_ends_of_a_ladder_of_teachers(tmp_path):
    widths = {"A": 9, "B": 3, "C": 6, "S": 1, "R": 2}
    both = ["A-S", "B-S", "C-S", "A-R"]
    found = evidence(tmp_path, widths, {"KD": both, "ATKD": ["A-S", "C-S", "A-R"]})
    small, large = (Cell(method="KD", pair=f"{size} teacher") for size in ("smallest", "largest"))
    assert [[c.pair for c in cells] for cells in groups((small, large), found)] == [["B-S", "A-S"]]
    other = Cell(method="ATKD", pair="smallest teacher")  # only where both methods ran
    assert [[str(c) for c in cells] for cells in groups((other, large), found)] == [
        ["ATKD @ C-S", "KD @ A-S"]
    ]


def test_any_pair_is_that_of_the_same_teacher_and_student_whoever_stands_between(tmp_path):
    pairs = {"ATKD": ["A-S", "B-S", "A-R"], "TA": ["A-B-S", "A-C-S", "B-C-R"]}
    found = evidence(tmp_path, {"A": 9, "B": 3, "C": 6, "S": 1, "R": 2}, pairs)
    cells = tuple(Cell(method=method, pair="any pair") for method in ("ATKD", "TA"))
    assert [[str(cell) for cell in group] for group in groups(cells, found)] == [
        ["ATKD @ A-S", "TA @ A-B-S"],
        ["ATKD @ A-S", "TA @ A-C-S"],
    ]


def test_teachers_of_one_size_are_no_ladder(tmp_path):
    found = evidence(tmp_path, {"A": 9, "B": 9, "S": 1}, {"KD": ["A-S", "B-S"]})
    cells = tuple(Cell(method="KD", pair=f"{size} teacher") for size in ("smallest", "largest"))
    assert groups(cells, found) == []


@pytest.fixture
def run(tmp_path):
    """ATKD above supervised KD, which the larger teacher makes worse; Pythia is asked one set only."""
    root = tmp_path / "results" / "pocket"
    settings = json.loads(load("pocket").model_dump_json())
    write_text(root / "config.json", json.dumps(settings | {"papers": ["atkd"], "atkd": prompt_config()}))
    rows = []
    levels = {
        ("Supervised KD", "OPT_4x64-OPT_1x32"): 0.2, ("Supervised KD", "OPT_2x64-OPT_1x32"): 0.9,
        ("Supervised KD + ATKD", "OPT_4x64-OPT_1x32"): 1.0,
        ("OPT", "OPT_4x64"): 0.9, ("OPT", "OPT_2x64"): 0.8,
        ("Supervised KD", "Py_2x64-Py_1x32"): 0.5, ("Supervised KD + ATKD", "Py_2x64-Py_1x32"): 0.8,
    }  # fmt: skip
    for (method, pair), level in levels.items():
        teacher = method == "OPT"
        for seed in (1234,) if teacher else (1, 2):
            lines, stage = responses(level, seed), stage_of(method, pair, seed)
            lines = lines[:12] if pair.startswith("Py") else lines
            folder = root / "stages" / stage / "tasks" / "instructions"
            write(folder / "predictions.jsonl", lines)
            wide = 40 if pair.startswith("OPT_4x64") and teacher else 20
            save_file({"words": np.zeros((10, wide))}, folder / "model.safetensors")
            for name, score in official(lines, np.arange(len(lines))).items():
                head = ("teacher" if teacher else "student", method, pair, seed, "instructions", name)
                rows.append((*head, "paper", f"{score:.6g}", stage, "instructions"))
    path = root / "atkd" / "scores.csv"
    path.parent.mkdir()
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([(*COLUMNS, "run"), *rows])
    return Results(root, "atkd")


def test_the_whole_ledger_is_judged(run):
    judged = {j.claim.id: j.finding for j in judge(run, ledger_path("atkd"), draws=300)}
    found = judged["atkd-over-supervised"]
    assert found.verdict == "supported" and 10 < found.effect < 40 < judged["larger-teachers-hurt-kd"].effect
    assert found.note.startswith("closest of 2 pairs: Py_2x64-Py_1x32")
    hurt = judged["larger-teachers-hurt-kd"]
    assert hurt.verdict == "supported" and hurt.note == "at OPT_2x64-OPT_1x32 and OPT_4x64-OPT_1x32"
    rest = {name: finding.verdict for name, finding in judged.items() if finding.verdict != "supported"}
    assert set(rest.values()) == {"not run"} and len(rest) == len(judged) - 2


def test_a_misspelt_method_is_named(run, ledger):
    test = "{kind: greater, higher: Supervised KD + ATDK @ any pair, lower: Supervised KD @ any pair}"
    with pytest.raises(InputError, match="did you mean 'Supervised KD [+] ATKD'"):
        judge(run, ledger(test), draws=10)
