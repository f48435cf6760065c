"""The benchmark measures what it says, and keeps numbers with where they came from."""

from __future__ import annotations

import csv

import pytest
import torch

from retort.benchmarks import steps
from retort.benchmarks.steps import COLUMNS, Measurement, Workbench
from retort.dry_runs import finished, unmade


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("bench"), "smoke")


def test_ratios_and_speeds_of_pretraining(bench):
    found = {one.name: one for one in steps.pretraining(bench, 3)}
    ratio = found["pretraining step over its floor"]
    assert ratio.goal == 1.10 and 0.5 < ratio.value < 20 and ratio.repeats == 3
    tokens = [int(batch.valid.sum()) for batch in bench.pretraining_batches(bench.chain[0], 16)]
    seconds = found["pretraining step"].value / 1000
    assert found["pretraining speed"].value * seconds == pytest.approx(sum(tokens) / 16)


def test_ratios_of_a_cached_task(bench, tmp_path):
    found = steps.cached_task(bench, tmp_path, 3)
    assert [one.goal for one in found] == [1.05, 1.05, None, None]
    assert all(one.value > 0 for one in found)


def test_a_job_starts_and_is_timed(bench):
    (found,) = steps.start_up(bench, 1)
    assert found.unit == "s" and found.goal == 2.5 and 0.3 < found.value < 60


@pytest.mark.workflow
def test_dry_runs_are_timed_where_nothing_and_where_all_is_made(tmp_path):
    few = ("--config", "scale=smoke", "methods=['KD']", "tasks=['RTE']", "variants={'tables': []}")
    for measure in (unmade, finished):
        cost = measure(tmp_path / measure.__name__, few)
        assert 0.5 < cost.processor < 60 and cost.wall > 0.5 and 50 < cost.memory < 2048
    assert not (tmp_path / "unmade" / "results" / "smoke" / "stages").exists()


@pytest.mark.parametrize(
    ("value", "goal", "words"),
    [(1.04, 1.05, "goal 1.05: met"), (1.06, 1.05, "goal 1.05: MISSED"), (1.0, None, "1")],
)
def test_a_line_says_whether_the_goal_is_met(value, goal, words):
    line = Measurement("step", value, "ms", goal, 5).line()
    assert words in line and ("goal" in line) == (goal is not None)


def test_saved_numbers_carry_their_origin_and_add_up(tmp_path):
    path = tmp_path / "benchmarks" / "laptop.csv"
    one = Measurement("step", 1.23456, "ms", 1.1, 5)
    steps.save(path, [one])
    steps.save(path, [one, Measurement("speed", 98765.4, "tokens/s", None, 5)])
    rows = list(csv.DictReader(path.open(newline="")))
    assert len(rows) == 3 and tuple(rows[0]) == COLUMNS
    assert rows[0]["name"] == "step" and rows[0]["value"] == "1.235" and rows[0]["goal"] == "1.1"
    assert rows[2]["goal"] == "" and all(row["machine"] and row["torch"] == torch.__version__ for row in rows)
