"""The table of scores: one row a cell, task, metric and protocol; selection sees only what it may see."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.config import load
from retort.data.examples import ClozeExample, GLMExample
from retort.data.store import save_examples
from retort.errors import InputError
from retort.evaluation.collect import COLUMNS, collect_scores, selected
from retort.files import write_json
from retort.plan import Plan


def entry(step, accuracy, select, report):
    return {
        "step": step,
        "all": {"accuracy": accuracy},
        "select": {"accuracy": select},
        "report": {"accuracy": report},
    }


def test_each_protocol_selects_on_its_own_part():
    evaluations = [entry(0, 50, 90, 10), entry(5, 80, 20, 95), entry(9, 70, 60, 40)]
    assert selected("RTE", evaluations) == {"paper": {"accuracy": 80}, "held_out": {"accuracy": 10}}


SCORES = st.lists(st.tuples(*[st.integers(0, 100)] * 3), min_size=1, max_size=6)


@given(SCORES, st.data())
def test_what_is_reported_never_selects(scores, data):
    """Other numbers on the reporting half leave the chosen evaluation where it was."""
    evaluations = [entry(i, *s) for i, s in enumerate(scores)]
    others = data.draw(st.permutations([1000 + i for i in range(len(scores))]))
    marked = [e | {"report": {"accuracy": mark}} for e, mark in zip(evaluations, others, strict=True)]
    chosen = others.index(selected("RTE", marked)["held_out"]["accuracy"])
    assert scores[chosen][1] == max(select for _, select, _ in scores)
    assert selected("RTE", evaluations)["paper"]["accuracy"] == max(a for a, _, _ in scores)


def test_the_first_of_equal_evaluations_counts():
    evaluations = [entry(0, 50, 50, 1), entry(5, 50, 50, 2)]
    assert selected("RTE", evaluations)["held_out"] == {"accuracy": 1}


@pytest.fixture
def finished(tmp_path):
    """A plan with two tasks and two seeds whose metrics are made up."""
    plan = Plan(load("smoke", {"tasks": ["RTE", "CB"], "methods": ["KD", "PD"], "seeds": [1, 2]}), tmp_path)
    folder = plan.layout.text(plan.text) / "tasks"
    tokens = np.ones(3, np.int32)
    row = GLMExample(tokens, np.zeros((2, 3), np.int32), 2, tokens, tokens > 0)
    for task, words, labels in (("RTE", (5, 6), [0, 0, 1]), ("CB", (5, 6, 7), [2, 2, 1, 0])):
        examples = [ClozeExample(f"{task}/val/{n}", (row,), label, words) for n, label in enumerate(labels)]
        save_examples(folder, f"{task}.val", examples)
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
    collect_scores(finished)
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
    collect_scores(finished)
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
    collect_scores(finished)
    found = {(r["task"], r["metric"]): float(r["value"]) for r in read(finished) if r["role"] == "baseline"}
    assert found["RTE", "accuracy"] == pytest.approx(66.6667) and found["CB", "accuracy"] == 50


def test_a_missing_cell_is_named_and_nothing_written(finished):
    (finished.layout.stage(finished.cells[-1].stages[0]) / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"metrics.json: no such file; run the step that writes it first"):
        collect_scores(finished)
    assert not (finished.layout.root / "glmd" / "scores.csv").exists()


def test_the_same_results_give_the_same_bytes(finished):
    collect_scores(finished)
    path = finished.layout.root / "glmd" / "scores.csv"
    first = path.read_bytes()
    collect_scores(finished)
    assert path.read_bytes() == first and b"\r" not in first
