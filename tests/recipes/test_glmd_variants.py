"""Tables 4 and 5 as values: each row changes one thing of the method it varies."""

from __future__ import annotations

import csv

import pytest

from retort.config import load
from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.edits import StandIns
from retort.plan import Plan
from retort.recipes.glmd import GLMD, GLMD_VC, METHODS
from retort.recipes.glmd_variants import TABLE4, TABLE5, VARIANTS

BASES = {"GLMD-vc": GLMD_VC, "GLMD": GLMD}
BY_NAME = {variant.method.name: variant for variant in VARIANTS}


def terms(name, step):
    return BY_NAME[name].method.steps[step].objective.terms


def test_there_is_a_row_for_each_of_the_papers(root):
    for table, rows in (("table4", TABLE4), ("table5", TABLE5)):
        path = root / "resources" / "paper" / "glmd" / f"{table}.csv"
        with path.open(encoding="utf-8", newline="") as stream:
            printed = list(csv.DictReader(stream))
        column = "variant" if table == "table4" else "description"
        numbers = [
            int(r["paper_row"])
            for r in printed
            if not r[column].startswith("baseline") and r.get("section") != "baseline"
        ]
        assert [variant.row for variant in rows] == numbers


def test_known_values_are_the_papers(root):
    with (root / "resources" / "paper" / "glmd" / "table5.csv").open(encoding="utf-8", newline="") as stream:
        known = {
            int(r["paper_row"]): float(r["value"])
            for r in csv.DictReader(stream)
            if r["value_known"] == "true"
        }
    assert {variant.row: variant.value for variant in TABLE5 if not variant.chosen} == known


def test_names_are_their_own():
    names = [method.name for method in METHODS] + [variant.method.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    assert all(variant.method.name.startswith(f"{variant.of} ") for variant in VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.method.name)
def test_it_differs_from_what_it_varies_and_takes_its_hyper_parameters(variant):
    base = BASES[variant.of]
    assert variant.method.tuned_as == base.name
    assert (variant.method.steps, variant.method.compression) != (base.steps, base.compression)
    assert (variant.method.embedding, variant.method.start) == (base.embedding, base.start)


def test_masks():
    for step in (0, 1):
        assert [t.mask for t in terms("GLMD-vc no-mask", step)] == ["none"]
        assert [t.mask for t in terms("GLMD-vc predicted-only", step)] == ["predicted"]
    assert BY_NAME["GLMD-vc no-mask"].method.steps[2] == GLMD_VC.steps[2]


def test_left_out_and_added_stages_and_terms():
    assert BY_NAME["GLMD-vc no-task-words"].method.steps == (GLMD_VC.steps[0], GLMD_VC.steps[2])
    for step in (0, 1):
        assert [t.site for t in terms("GLMD-vc +features", step)] == ["words", "scores", "hidden"]
    assert BY_NAME["GLMD-vc +features"].method.steps[1].carry_lenses
    assert [t.site for t in terms("GLMD-vc +hard", 2)] == ["class", "hard"]


def test_distances():
    assert [terms("GLMD-vc words-mse", step)[0].by for step in range(3)] == [MSE(), MSE(), SoftCrossEntropy()]
    assert [terms("GLMD-vc soft-mse", step)[0].by for step in range(3)] == [KL(15.0), KL(15.0), MSE()]
    assert [terms("GLMD-vc tau1=5", step)[0].by for step in range(3)] == [KL(5), KL(5), SoftCrossEntropy()]
    assert terms("GLMD-vc tau2=7", 2)[0].by == SoftCrossEntropy(7)


def test_vocabularies():
    similarities = {
        name: BY_NAME[f"GLMD {name}"].method.compression.similarity for name in ("cosine", "euclidean", "unk")
    }
    assert similarities == {name: name for name in similarities}
    assert BY_NAME["GLMD alpha=0.1"].method.compression.ratio == 0.1
    assert all(s.objective.edit == StandIns() for s in BY_NAME["GLMD teacher-mapped"].method.steps)


@pytest.mark.parametrize(("name", "samples"), [("batch=8", 8), ("batch=32", 32), ("batch=128", 128)])
def test_batches_are_in_the_papers_terms(name, samples):
    plan = Plan(load("pocket", {"papers": ["glmd"]}))
    (cell,) = (c for c in plan.cells if c.method == f"GLMD-vc {name}")
    first = cell.stages[0].init.init
    assert first.phase == "pretraining"
    assert (
        first.schooling.batch_size
        == samples
        == first.schooling.micro_batch_size * (samples // min(samples, 64))
    )
    assert first.schooling.steps == plan.config.pretraining.student.steps


def plan_of(**changes):
    few = {"methods": ["KD", "GLMD-vc"], "pairs": ["T1-S2", "T1-S1"], "seeds": [1, 2]}
    return Plan(load("smoke", {"papers": ["glmd"]} | few | changes))


def variant_cells(plan):
    return [cell for cell in plan.cells if cell.role == "variant"]


def test_variants_of_what_is_not_run_are_not_run():
    cells = variant_cells(plan_of())
    assert {cell.method for cell in cells} == {v.method.name for v in TABLE4 if v.of == "GLMD-vc"}
    assert variant_cells(plan_of(methods=["KD"])) == []
    assert variant_cells(plan_of(variants={"tables": [], "quirks": [], "seeds": [1]})) == []


def test_they_run_on_one_pair_with_seeds_of_their_own():
    cells = variant_cells(plan_of(variants={"tables": ["table5"], "seeds": [7]}))
    assert {(cell.pair, cell.seed) for cell in cells} == {("T1-S2", 7)}


def test_what_they_share_with_the_varied_method_is_trained_once():
    plan = plan_of(variants={"tables": ["table4"], "seeds": [1]}, pairs=["T1-S1"], seeds=[1])
    by_name = {cell.method: cell.stages[0] for cell in plan.cells}
    assert by_name["GLMD-vc +hard"].init == by_name["GLMD-vc"].init
    assert by_name["GLMD-vc no-task-words"].init == by_name["GLMD-vc"].init.init


def test_a_quirk_of_the_varied_method_reaches_its_variants():
    plan = plan_of(quirks={"masked-means": "fixed"})
    stages = {c.method: c.stages[0] for c in variant_cells(plan)}
    assert {t.norm for t in stages["GLMD-vc +hard"].init.objective.terms} == {"valid"}
