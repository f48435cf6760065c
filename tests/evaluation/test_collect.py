"""The table of scores: one row a cell, task, metric and protocol; selection sees only what it may see."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tracks import config_of, overrides, track_section

from retort.config import load
from retort.data.examples import ClozeExample, GLMExample
from retort.data.store import save_examples
from retort.errors import InputError
from retort.evaluation.collect import CHOICES, COLUMNS, choices, collect_scores
from retort.evaluation.selection import best_run, selected
from retort.files import write_json
from retort.papers import paper_of
from retort.plan import Plan
from retort.runs import ClassRun, ClozeRun, PairRun

RTE = paper_of("glmd").task("RTE")


def entry(step, accuracy, select, report):
    return {
        "step": step,
        "all": {"accuracy": accuracy},
        "select": {"accuracy": select},
        "report": {"accuracy": report},
    }


def test_each_protocol_selects_on_its_own_part():
    evaluations = [entry(0, 50, 90, 10), entry(5, 80, 20, 95), entry(9, 70, 60, 40)]
    assert selected(RTE, evaluations) == {"paper": {"accuracy": 80}, "held_out": {"accuracy": 10}}


SCORES = st.lists(st.tuples(*[st.integers(0, 100)] * 3), min_size=1, max_size=6)


@given(SCORES, st.data())
def test_what_is_reported_never_selects(scores, data):
    """Other numbers on the reporting half leave the chosen evaluation where it was."""
    evaluations = [entry(i, *s) for i, s in enumerate(scores)]
    others = data.draw(st.permutations([1000 + i for i in range(len(scores))]))
    marked = [e | {"report": {"accuracy": mark}} for e, mark in zip(evaluations, others, strict=True)]
    chosen = others.index(selected(RTE, marked)["held_out"]["accuracy"])
    assert scores[chosen][1] == max(select for _, select, _ in scores)
    assert selected(RTE, evaluations)["paper"]["accuracy"] == max(a for a, _, _ in scores)


def test_the_first_of_equal_evaluations_counts():
    evaluations = [entry(0, 50, 50, 1), entry(5, 50, 50, 2)]
    assert selected(RTE, evaluations)["held_out"] == {"accuracy": 1}


@pytest.fixture
def finished(tmp_path):
    """A plan with two tasks and two seeds whose metrics are made up."""
    plan = Plan(
        load("smoke", {"papers": ["glmd"], "tasks": ["RTE", "CB"], "methods": ["KD", "PD"], "seeds": [1, 2]}),
        tmp_path,
    )
    tokens = np.ones(3, np.int32)
    row = GLMExample(tokens, np.zeros((2, 3), np.int32), 2, tokens, tokens > 0)
    for task, words, labels in (("RTE", (5, 6), [0, 0, 1]), ("CB", (5, 6, 7), [2, 2, 1, 0])):
        examples = [ClozeExample(f"{task}/val/{n}", (row,), label, words) for n, label in enumerate(labels)]
        for split in ("train", "val"):  # of training examples nothing is told
            chosen = examples if split == "val" else examples[-1:]
            save_examples(plan.layout.text(plan.text[task]), split, chosen)
    for number, cell in enumerate(plan.cells):
        rte = [entry(0, 40, 40, 40), entry(2, 60 + number, 50, 55)]
        cb = {"accuracy": 70.0, "f1": 50 + number / 3}
        part = {"step": 0, "all": cb, "select": cb, "report": cb}
        metrics = {"RTE": {"evaluations": rte}, "CB": {"evaluations": [part]}}
        write_json(plan.layout.stage(cell.stages[0]) / "metrics.json", metrics)
    return plan


def read(plan):
    with (plan.layout.root / "glmd" / "scores.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_cells_are_there_once(finished):
    collect_scores(finished, "glmd")
    rows = read(finished)
    assert tuple(rows[0]) == COLUMNS
    keys = [tuple(row[name] for name in COLUMNS if name not in ("value", "stage")) for row in rows]
    assert len(set(keys)) == len(keys)
    cells = {(row["role"], row["method"], row["pair"], row["seed"]) for row in rows}
    assert cells == {
        ("baseline", "majority", "", ""),
        ("teacher", "GLM", "T1", "1234"),
        *(("student", method, "T1-S1", seed) for method in ("KD", "PD") for seed in ("1", "2")),
    }
    assert len(rows) == len(cells) * 3 * 2  # one metric of RTE and two of CB, two protocols


def test_values_and_their_stages(finished):
    collect_scores(finished, "glmd")
    for number, cell in enumerate(finished.cells):
        mine = {
            (row["task"], row["metric"], row["protocol"]): row["value"]
            for row in read(finished)
            if row["stage"] == cell.stages[0].id
        }
        assert mine["RTE", "accuracy", "paper"] == str(60 + number)
        assert mine["RTE", "accuracy", "held_out"] == "55"
        assert float(mine["CB", "f1", "paper"]) == pytest.approx(50 + number / 3, abs=1e-3)


def test_baselines_are_those_of_the_dev_sets(finished):
    collect_scores(finished, "glmd")
    found = {(r["task"], r["metric"]): float(r["value"]) for r in read(finished) if r["role"] == "baseline"}
    assert found["RTE", "accuracy"] == pytest.approx(66.6667) and found["CB", "accuracy"] == 50


def test_a_missing_cell_is_named_and_nothing_written(finished):
    (finished.layout.stage(finished.cells[-1].stages[0]) / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"metrics.json: no such file; run the step that writes it first"):
        collect_scores(finished, "glmd")
    assert not (finished.layout.root / "glmd" / "scores.csv").exists()


def test_the_same_results_give_the_same_bytes(finished):
    collect_scores(finished, "glmd")
    path = finished.layout.root / "glmd" / "scores.csv"
    first = path.read_bytes()
    collect_scores(finished, "glmd")
    assert path.read_bytes() == first and b"\r" not in first


# Hyper-parameters


def points(plan):
    with (plan.layout.root / "glmd" / "hyper_parameters.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_without_a_search_the_only_point_is_told(finished):
    collect_scores(finished, "glmd")
    rows = points(finished)
    assert tuple(rows[0]) == CHOICES
    assert len(rows) == 3 * 2 * 2  # methods, tasks, protocols
    assert {(row["batch_size"], row["points"]) for row in rows} == {("8", "1")}
    (kd,) = (
        row
        for row in rows
        if (row["role"], row["method"], row["pair"], row["task"], row["protocol"])
        == ("student", "KD", "T1-S1", "RTE", "paper")
    )
    assert (kd["learning_rate"], kd["n_seeds"]) == ("0.001", "2")
    assert float(kd["score"]) == 61.5  # the second and the third cell: 61 and 62
    assert all(row["run"] == (row["task"] if row["stage"] else "") for row in read(finished))


FOUR = ("RTE@8-0.001", "RTE@8-0.1", "RTE@16-0.001", "RTE@16-0.1")


def search(tmp_path, scores):
    """A plan with a search, two seeds of KD on RTE; ``scores`` by seed and point: (all, select, report)."""
    overrides = {
        "papers": ["glmd"],
        "tasks": ["RTE"],
        "methods": ["KD"],
        "seeds": [1, 2],
        "variants": {"tables": []},
        "task_training": {"search": {"learning_rates": [0.1, 0.001], "batch_sizes": [16, 8]}},
    }
    plan = Plan(load("smoke", overrides), tmp_path)
    cells = [cell for cell in plan.cells if cell.role == "student"]
    assert all(tuple(cell.stages[0].runs) == FOUR for cell in cells)
    for cell, seed in zip(cells, scores, strict=True):
        found = {
            name: {"evaluations": [entry(0, 1, 1, 99), entry(4, *three)]}
            for name, three in zip(FOUR, seed, strict=True)
        }
        write_json(plan.layout.stage(cell.stages[0]) / "metrics.json", found)
    return plan, cells


def test_the_best_mean_over_seeds_is_chosen_not_the_best_seed(tmp_path):
    first = [(90, 10, 1), (50, 20, 2), (70, 60, 3), (60, 40, 4)]
    second = [(40, 80, 5), (50, 20, 6), (70, 20, 7), (60, 60, 8)]
    plan, cells = search(tmp_path, [first, second])
    found = choices(cells, plan)
    paper, held_out = found["RTE", "paper"], found["RTE", "held_out"]
    assert (paper.name, paper.score, paper.seeds, paper.points) == (
        "RTE@16-0.001",
        70,
        2,
        4,
    )  # 65, 50, 70, 60
    assert (held_out.name, held_out.score) == ("RTE@16-0.1", 50)  # 45, 20, 40, 50: the report never counts
    assert (held_out.run.batch_size, held_out.run.optimiser.learning_rate) == (16, 0.1)


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ([70, 70, 70, 70], "RTE@8-0.001"),
        ([60, 70, 70, 70], "RTE@8-0.1"),
        ([60, 60, 70, 70], "RTE@16-0.001"),
    ],
)
def test_of_equal_points_the_smaller_batch_then_the_smaller_rate(tmp_path, scores, name):
    both = [[(score, score, 0) for score in scores], [(65, 65, 0)] * 4]
    plan, cells = search(tmp_path, both)
    assert {choice.name for choice in choices(cells, plan).values()} == {name}


def test_means_that_are_equal_on_paper_tie():
    """In floating point 0.3 + 0.2 + 0.1 < 0.1 + 0.2 + 0.3; the order of the seeds is no reason to choose."""
    falling, rising = (
        [[entry(0, score, score, 0)] for score in seeds] for seeds in ([0.3, 0.2, 0.1], [0.1, 0.2, 0.3])
    )
    for protocol in ("paper", "held_out"):
        assert best_run(RTE, {"first": falling, "second": rising}, protocol)[0] == "first"
        assert best_run(RTE, {"second": rising, "first": falling}, protocol)[0] == "second"


def test_scores_of_a_search_are_those_of_the_chosen_runs(tmp_path, finished):
    first = [(90, 10, 1), (50, 20, 2), (70, 60, 3), (60, 40, 4)]
    second = [(40, 80, 5), (50, 20, 6), (70, 20, 7), (60, 60, 8)]
    plan, cells = search(tmp_path / "searched", [first, second])
    teacher = plan.cells[0]
    runs = {name: {"evaluations": [entry(0, n, -n, n)]} for n, name in enumerate(FOUR)}
    write_json(plan.layout.stage(teacher.stages[0]) / "metrics.json", runs)
    shutil.copytree(finished.layout.root / "text", plan.layout.root / "text")
    collect_scores(plan, "glmd")
    rows = [r for r in read(plan) if r["role"] != "baseline"]
    found = {(r["role"], r["seed"], r["protocol"]): (r["run"], r["value"]) for r in rows}
    assert found == {
        ("teacher", "1234", "paper"): ("RTE@16-0.1", "3"),
        ("teacher", "1234", "held_out"): ("RTE@8-0.001", "0"),
        ("student", "1", "paper"): ("RTE@16-0.001", "70"),
        ("student", "2", "paper"): ("RTE@16-0.001", "70"),
        ("student", "1", "held_out"): ("RTE@16-0.1", "4"),
        ("student", "2", "held_out"): ("RTE@16-0.1", "8"),
    }
    chosen = {(r["role"], r["protocol"]): r for r in points(plan)}
    assert len(chosen) == 4 and chosen["student", "paper"]["learning_rate"] == "0.001"
    assert (
        chosen["student", "held_out"] | {"batch_size": "16", "score": "50", "points": "4"}
        == (chosen["student", "held_out"])
    )


# Several papers


@pytest.fixture
def papers(tmp_path, monkeypatch):
    """GLMD and two tracks of CKA that share a task; nobody has to read texts to guess."""
    t5, bert = track_section("T5", ["T5 CKA"], ["none"]), track_section("BERT", ["BERT none"])
    tracks = {"bart": track_section("BART", ["BART CKA"]), "t5": t5, "bert": bert}
    made = overrides(**tracks) | {
        "papers": ["glmd", "cka"],
        "tasks": ["RTE"],
        "methods": ["KD"],
        "seeds": [1],
    }
    made["cka"]["seeds"] = [3, 4]
    plan = Plan(config_of(made), tmp_path)
    for number, cell in enumerate(plan.cells):
        (stage,) = cell.stages
        (run,) = stage.runs.values()
        first, last = (dict.fromkeys(run.scoring.metrics, base + number) for base in (10, 50))
        found = [{"step": 0} | dict.fromkeys(("all", "select", "report"), first)]
        found.append({"step": 4} | dict.fromkeys(("all", "select", "report"), last))
        write_json(plan.layout.stage(stage) / "metrics.json", {run.task: {"evaluations": found}})

    class Lesson:
        def __init__(self, kind):
            self.kind = kind

        def guesses(self):
            return {"majority" if self.kind != "PairRun" else "copy": {self.kind: 7.0}}

    for kind in (ClozeRun, ClassRun, PairRun):
        monkeypatch.setattr(kind, "lesson", lambda self, *folders: Lesson(type(self).__name__))
    return plan


def scores_of(plan, paper):
    collect_scores(plan, paper)
    with (plan.layout.root / paper / "scores.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_paper_has_its_own_table(papers):
    """RTE is a task of both; a model's answers to one are none to the other."""
    glmd, cka = (scores_of(papers, paper) for paper in ("glmd", "cka"))
    assert {(r["method"], r["pair"]) for r in glmd} == {("majority", ""), ("GLM", "T1"), ("KD", "T1-S1")}
    assert {r["pair"] for r in cka if r["task"] == "RTE"} == {"", "BERT", "BERT-BERT_1"}
    assert [r["metric"] for r in glmd if r["role"] == "baseline"] == ["ClozeRun"] * 2
    assert [r["metric"] for r in cka if (r["role"], r["task"]) == ("baseline", "RTE")] == ["ClassRun"] * 2


def test_tracks_that_share_a_task_have_rows_of_their_own(papers):
    rows = [row for row in scores_of(papers, "cka") if row["task"] == "XSum" and row["protocol"] == "paper"]
    found = {
        (r["role"], r["method"], r["pair"], r["seed"]): float(r["value"])
        for r in rows
        if r["metric"] == "rouge2"
    }
    cells = {c.pair: n for n, c in enumerate(papers.cells) if c.role == "teacher"}
    assert found == {
        ("teacher", "BART", "BART", "1234"): 50 + cells["BART"],
        ("student", "BART CKA", "BART-BART_1", "3"): 51 + cells["BART"],
        ("student", "BART CKA", "BART-BART_1", "4"): 52 + cells["BART"],
        ("teacher", "T5", "T5", "1234"): 50 + cells["T5"],
        ("student", "T5 CKA", "T5-T5_1", "3"): 51 + cells["T5"],
        ("student", "T5 CKA", "T5-T5_1", "4"): 52 + cells["T5"],
        ("variant", "T5 none (one recipe)", "T5-T5_W", "3"): 53 + cells["T5"],
        ("variant", "T5 none (one recipe)", "T5-T5_W", "4"): 54 + cells["T5"],
    }
    assert [(r["method"], r["metric"]) for r in rows if r["role"] == "baseline"] == [("copy", "PairRun")]
    assert {r["metric"] for r in rows if r["role"] != "baseline"} == {
        "rouge2",
        "rouge1",
        "rougeL",
        "rougeLsum",
    }


def test_points_of_a_paper_are_means_over_its_own_seeds(papers):
    collect_scores(papers, "cka")
    with (papers.layout.root / "cka" / "hyper_parameters.csv").open(newline="") as stream:
        (row,) = (r for r in csv.DictReader(stream) if (r["method"], r["protocol"]) == ("T5 CKA", "paper"))
    number = next(n for n, cell in enumerate(papers.cells) if cell.method == "T5 CKA")
    assert (row["n_seeds"], float(row["score"]), row["points"]) == ("2", 50.5 + number, "1")
    assert (row["batch_size"], row["learning_rate"]) == ("4", "0.002")


def test_the_first_metric_chooses_and_counts():
    scoring = paper_of("cka").task("MRPC")
    by = [{"all": {"accuracy": a, "f1": f}, "select": {}, "report": {}} for a, f in ((60, 90), (70, 10))]
    assert scoring.metrics[0] == scoring.leading[0] and len(scoring.leading) == 1
    led = scoring.leading[0]
    best = max(by, key=lambda e: e["all"][led])["all"]
    assert best_run(scoring, {"only": [by]})[1] == best[led]
    assert scoring.score({"accuracy": 60, "f1": 90}) == {"accuracy": 60, "f1": 90}[led]
