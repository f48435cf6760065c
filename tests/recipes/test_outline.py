"""What a recipe says of its stages, against what the plan makes of them."""

from __future__ import annotations

import pytest

from retort.config import load
from retort.distill.distances import KL, MSE
from retort.distill.ensembles import Policy
from retort.distill.layermaps import Uniform
from retort.distill.lenses import Gram, Project
from retort.distill.objective import hard, match
from retort.plan import Plan
from retort.recipes import Method, finetune, pretrain
from retort.recipes.atkd import ASSISTED, EARLY_STOPPED
from retort.recipes.atkd import METHODS as CAUSAL
from retort.recipes.describe import described
from retort.recipes.glmd import METHODS
from retort.recipes.outline import learns, needs, outline, shared_with

BY_NAME = {method.name: method for method in METHODS}


def shown(name):
    return [(part.title, part.step.phase, part.start, part.teachers) for part in outline(BY_NAME[name])]


def test_stages_in_order():
    assert shown("KD") == [("Stage 1", "task", "random", "one")]
    assert shown("PD") == [("Stage 1", "pretraining", "random", "none"), ("Stage 2", "task", "before", "one")]
    assert shown("PKD") == [("Stage 1", "task", "truncated", "one")]
    assert shown("Annealing-KD")[2] == ("Stage 3", "task", "before", "none")
    assert shown("TMKD")[0] == ("Stage 1", "pretraining", "truncated", "several")
    assert [part.before for part in outline(BY_NAME["TinyBERT"])] == ["", "stage 1", "stage 2"]


def test_theseus_needs_a_teacher_without_comparing_with_it():
    assert shown("Theseus") == [("Stage 1", "task", "truncated", "one")]


def test_links_that_are_trained_alike_are_one():
    assert shown("TAKD") == [("Links 1 to 3", "task", "truncated", "next")]
    assert shown("DGKD") == [
        ("Link 1", "task", "truncated", "next"),
        ("Links 2 to 3", "task", "truncated", "larger"),
    ]


def test_links_go_on_from_what_each_model_takes_before():
    parts = outline(ASSISTED)
    assert [(part.title, part.step.phase, part.start, part.teachers) for part in parts] == [
        ("Stage 1, before each link", "pretraining", "random", "none"),
        ("Links 1 to 2", "task", "before", "next"),
    ]
    assert parts[1].before == "the model's own stage before"
    assert EARLY_STOPPED.name in shared_with(parts[0], ASSISTED, CAUSAL)
    assert shared_with(parts[1], ASSISTED, CAUSAL) == ()
    assert "taught by the fine-tuned teacher of 1/3 of the epochs" in described(EARLY_STOPPED)


def test_where_widths_decide_both_ways_are_shown_and_the_rest_once():
    assert [(part.title, part.only) for part in outline(BY_NAME["RAIL-KD"])] == [
        ("Stage 1", "equal widths"),
        ("Stage 1", "unequal widths"),
        ("Stage 2", ""),
    ]


def test_methods_that_need_equal_widths():
    """Those that the paper runs with equal widths alone, and MobileBERT, which has models of its own."""
    found = {
        method.name
        for method in METHODS
        if any("equal widths" in needs(part.objective) and not part.only for part in outline(method))
    }
    assert found == {"PKD", "DistilBERT", "Theseus", "SID", "MobileBERT", "ALP-KD", "DIITO"}


def test_methods_that_need_equal_heads():
    found = {m.name for m in METHODS if any("equal heads" in needs(part.objective) for part in outline(m))}
    assert found == {"TinyBERT", "SID", "MobileBERT", "MiniLM", "RAIL-KD", "MGSKD"}
    assert needs(match("q", Uniform(), KL(), (Gram(),))) == ("equal heads",)
    assert needs(match("q", Uniform(), KL(), (Gram(16),))) == ()
    assert needs(match("q", Uniform(), MSE())) == ("equal widths",)


def test_methods_that_train_something_beside_the_student():
    found = {m.name: [learns(part.objective) for part in outline(m)] for m in METHODS}
    assert {name for name, parts in found.items() if any(parts)} == {
        "TinyBERT", "MGSKD", "LRC-BERT", "Universal-KD", "RAIL-KD", "MT-BERT", "RL-KD"
    }  # fmt: skip
    assert found["TinyBERT"] == [(Project(),), (Project(),), ()]
    assert found["RL-KD"][1] == (Policy(weight=0.5),)


@pytest.fixture(scope="module")
def plan():
    return Plan(load("smoke"))


def test_stages_shared_by_recipe_are_shared_by_the_plan(plan):
    """On one pair, where the heads are equal, too."""

    def stages(method):
        cell = next(cell for cell in plan.cells if cell.method == method.name)
        stage = cell.stages[0]
        found = [stage]
        while found[-1].init is not None:
            found.append(found[-1].init)
        return cell.pair, [stage.digest for stage in reversed(found)]

    methods = [m for m in METHODS if m.chain is None and not m.unequal and m.name != "MobileBERT"]
    for method in methods:
        pair, digests = stages(method)
        for part, digest in zip(outline(method), digests, strict=True):
            same = {
                other.name for other in methods if stages(other)[0] == pair and digest in stages(other)[1]
            }
            told = {other.name for other in methods if stages(other)[0] == pair}
            assert same - {method.name} == set(shared_with(part, method, METHODS)) & told, method.name


def test_a_users_own_method_shares_what_it_has_in_common():
    own = Method(
        "Mine", (pretrain(hard()), finetune(hard() + match("hidden", Uniform(), MSE()))), "Me (2030)."
    )
    first, second = outline(own)
    assert "PD" in shared_with(first, own, METHODS)
    assert shared_with(second, own, METHODS) == ()
