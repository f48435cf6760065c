"""What runs again after a change of data, and after an accident."""

from __future__ import annotations

import os

import pytest
from pocket_worlds import generate_world
from rerun_jobs import PLAN, asked, behind, made_by, named_jobs, planned, taught_by, whose

from retort.config import load
from retort.plan import Plan

pytestmark = pytest.mark.workflow


def test_other_weights_with_the_same_scores_are_noticed(clone):
    """A teacher was trained again, its metrics are as before, and then the run was killed."""
    teacher = PLAN.fine_tuned("T1", PLAN.groups[0])
    folder = clone.results / "stages" / teacher.id
    stamps = [folder / "metrics.json", folder / "tasks" / ".snakemake_timestamp"]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in stamps]
    for path, (content, _) in zip(stamps, before, strict=True):
        path.unlink()
        path.write_bytes(content)
    try:
        assert planned(clone) == behind({teacher.id}) - {"gates"}
    finally:
        for path, (_, time) in zip(stamps, before, strict=True):
            os.utime(path, ns=(time, time))


# A data folder


FOLDER = {
    "methods": ["KD"],
    "tasks": ["RTE", "CB"],
    "pairs": ["T1-S1"],
    "variants": {"tables": [], "quirks": []},
    "task_training": {"tasks_per_job": 1},
    "data_root": "given",
    "data": {"source": "folder", "vocabulary": {"vocab_txt": "vocab.txt"}},
}


@pytest.fixture(scope="module")
def given(new_tree, tmp_path_factory):
    """Students of two tasks that lie in a folder, trained; the plan and what to ask Snakemake."""
    folder = tmp_path_factory.mktemp("folder") / "clone"
    tree = new_tree(folder)
    generate_world(1, folder / "given", documents=300, train_size=8, dev_size=8)
    overrides = asked(FOLDER)
    plan = Plan(load("smoke", FOLDER))
    (cell,) = (cell for cell in plan.cells if cell.role == "student")
    targets = tuple(f"results/smoke/stages/{stage.id}/metrics.json" for stage in cell.stages)
    ended = tree.snakemake(*overrides, target=targets[0], more=targets[1:])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return tree, plan, lambda: planned(tree, *overrides, targets=targets)


def test_a_byte_of_a_task_reruns_that_task(given):
    tree, plan, jobs = given
    assert jobs() == set()
    path = tree.folder / "given" / "superglue" / "RTE" / "train.jsonl"
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"label": "entailment"', b'"label": "not_entailment"', 1))
    of_rte = whose(lambda stage: stage.tasks == ("RTE",), plan)
    teacher = taught_by(plan) & of_rte
    assert jobs() == {f"data {plan.data['RTE']}", f"examples {plan.text['RTE']}"} | made_by(plan, of_rte) | {
        f"signals {name}" for name in teacher
    }
    path.write_bytes(before)  # other times, the same bytes
    assert jobs() == set()


def test_a_byte_of_the_corpus_reruns_all_that_stands_on_it(given):
    tree, plan, jobs = given
    path = tree.folder / "given" / "corpus" / "world.txt"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"the", b"The", 1))
    unaffected = {f"data {plan.data[task]}" for task in ("RTE", "CB")}
    assert jobs() == named_jobs(plan) - unaffected
    path.write_bytes(before)
