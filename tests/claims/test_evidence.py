"""Evidence is read from the runs that the scores come from."""

from __future__ import annotations

import csv

from small_runs import TASKS, rights

from retort.claims.evidence import Evidence
from retort.claims.kinds import Cell


def sample(results):
    """The score of KD on RTE."""
    (found,) = Evidence(results, draws=50).samples([Cell(method="KD", pair="T1-S1")], "RTE")
    return found


def test_after_a_search_the_chosen_run_s_predictions_count(run):
    plain = run.add("KD", {1: rights(40), 2: rights(60)}).results()
    before = sample(plain)
    path = run.root / "glmd" / "scores.csv"
    with path.open(newline="") as stream:
        head, *rows = csv.reader(stream)
    for folder in (run.root / "stages").glob("*/tasks"):
        for task in TASKS:
            (folder / task).rename(folder / f"{task}@8-0.1")
    task, last = head.index("task"), len(head)
    with path.open("w", newline="") as stream:
        named = [[*row[:last], f"{row[task]}@8-0.1"] for row in rows]
        csv.writer(stream).writerows([[*head, "run"], *named])
    after = sample(type(plain)(run.root))
    assert before is not None and after is not None
    assert before.value == after.value == 75 and (before.examples == after.examples).all()
