"""The ledger of GLMD: what every switch changes, and in which rows."""

import functools
import itertools
import re
from dataclasses import replace

import pytest
import torch
from small_models import batch_for, models_for

from retort.config import load
from retort.distill.binding import BoundObjective
from retort.distill.schedules import Clock
from retort.errors import InputError
from retort.plan import Plan
from retort.quirks import LEDGER, rewrite, rows_of
from retort.recipes import glmd, glmd_variants

METHODS = {method.name: method for method in glmd.METHODS}
WORD_ROWS = {"GLMD-vc", "GLMD", "GLMD-vc+mo", "GLMD-vc+al", "GLMD+al"}
CHANGES = {
    ("soft-loss-t2", "as_published"): {"KD", "ALP-KD", "RAIL-KD", "RL-KD", "DGKD"},
    ("masked-means", "fixed"): {"DistilBERT", "RAIL-KD", "DIITO", "TMKD", *WORD_ROWS},
    ("minilm-softmax", "fixed"): {"MiniLM", "RAIL-KD"},
    ("distilbert-masks", "as_published"): {"DistilBERT", "RAIL-KD"},
    ("pkd-layer-sum", "as_published"): {"PKD"},
    ("alp-lambda", "fixed"): {"ALP-KD"},
    ("mt-bert-projections", "as_published"): {"MT-BERT"},
    ("policy-gradient", "as_published"): {"RL-KD"},
    ("uncertainty-mean", "as_published"): {"Uncertainty"},
    ("uncertainty-weights", "as_published"): {"Uncertainty"},
    ("diito-site", "as_published"): {"DIITO"},
    ("theseus-all-teacher", "fixed"): {"Theseus"},
    ("fused-truncation", "fixed"): {
        *(
            "PKD",
            "Theseus",
            "ALP-KD",
            "Universal-KD",
            "TMKD",
            "MT-BERT",
            "RL-KD",
            "Uncertainty",
            "TAKD",
            "DGKD",
        )
    },
    ("truncation-source", "as_published"): {"PKD", "ALP-KD", "Universal-KD", "Theseus"},
    ("unmapped-embedding", "as_published"): {"GLMD", "GLMD+al"},
}
"""The rows that each switch changes."""


def steps_of(method):
    return (*method.steps, *method.unequal, *(method.chain.links if method.chain else ()))


# The ledger


def test_every_entry_says_why():
    assert len({quirk.id for quirk in LEDGER}) == len(LEDGER)
    for quirk in LEDGER:
        assert set(quirk.methods) <= set(METHODS), quirk.id
        assert len(set(quirk.methods)) == len(quirk.methods), quirk.id
        assert re.search(r"aitsc/GLMKD|the paper", quirk.evidence) and quirk.effect, quirk.id
        assert set(quirk.switches) <= {"as_published", "fixed"}, f"{quirk.id}: as_run is what the recipe says"


def test_every_switch_is_tested():
    assert {(quirk.id, switch) for quirk in LEDGER for switch in quirk.switches} == set(CHANGES)


def test_quirks_of_all_methods_with_a_property_name_them_all():
    named = {quirk.id: set(quirk.methods) for quirk in LEDGER}
    steps = {name: steps_of(method) for name, method in METHODS.items()}
    sites = {name: {t.site for s in found for t in s.objective.terms} for name, found in steps.items()}
    assert named["pre-ln-features"] == {name for name, found in sites.items() if "hidden" in found}
    twice = {name for name, m in METHODS.items() if sum(step.phase == "task" for step in m.steps) > 1}
    assert named["second-stage-selection"] == twice
    half = {name for name, method in METHODS.items() if method.embedding != "full"}
    assert named["embedding-width"] == half


@pytest.mark.parametrize("setting", [quirk.setting for quirk in LEDGER if quirk.setting])
def test_settings_exist_and_say_something_else(setting):
    key, value = setting.split(": ")
    *path, last = key.split(".")
    override = {last: float(value) if "." in value else int(value)}
    for name in reversed(path):
        override = {name: override}
    config, changed = load("paper"), load("paper", override)
    for name in path:
        config, changed = (c[name] if isinstance(c, dict) else getattr(c, name) for c in (config, changed))
    assert getattr(changed, last) == float(value) != getattr(config, last)


# Which rows


def test_rows_are_those_that_are_named_or_change():
    for quirk in LEDGER:
        rows = set(rows_of(quirk, glmd.METHODS))
        for switch in quirk.switches:
            assert rows == CHANGES[quirk.id, switch]
        assert quirk.switches or rows == set(quirk.methods)


@pytest.mark.parametrize("variant", glmd_variants.VARIANTS, ids=lambda variant: variant.method.name)
def test_variants_share_what_their_method_starts_from(variant):
    """The rows of Tables 4 and 5 are compared with the method that they vary."""
    quirks = {"unmapped-embedding": "as_published", "masked-means": "fixed"}
    changed, of = rewrite(variant.method, quirks), rewrite(METHODS[variant.of], quirks)
    assert type(changed.compression) is type(of.compression)
    assert {t.norm for s in changed.steps for t in s.objective.terms if t.mask != "none"} <= {"valid"}


@pytest.mark.parametrize("name", METHODS)
def test_as_run_changes_nothing(name):
    assert rewrite(METHODS[name], {}) == METHODS[name]
    assert rewrite(METHODS[name], {quirk.id: "as_run" for quirk in LEDGER}) == METHODS[name]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_a_switch_changes_its_rows_and_no_others(switch, name):
    method = METHODS[name]
    changed = rewrite(method, dict([switch]))
    assert (changed != method) == (name in CHANGES[switch])
    assert (changed.name, changed.citation, len(steps_of(changed))) == (
        method.name,
        method.citation,
        len(steps_of(method)),
    )


@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_a_row_that_a_quirk_does_not_name_stays(switch):
    (quirk,) = (q for q in LEDGER if q.id == switch[0])
    for name in CHANGES[switch]:
        method = replace(METHODS[name], name="mine")
        assert (rewrite(method, dict([switch])) == method) == bool(quirk.methods)


@pytest.mark.parametrize("switches", list(itertools.combinations(CHANGES, 2)), ids=str)
def test_switches_combine_in_any_order(switches):
    for name in CHANGES[switches[0]] & CHANGES[switches[1]]:
        method = METHODS[name]
        one, other = (
            rewrite(rewrite(method, dict([first])), dict([second]))
            for first, second in (switches, switches[::-1])
        )
        assert one == other == rewrite(method, dict(switches)) != method


PAIRS = ["T1-S1", "T1-S2", "T2-S2", "(T1,T2)-S2", "T2-A1-A2-S2"]
EVERYTHING = {
    "methods": list(METHODS),
    "pairs": PAIRS,
    "columns": "all",
    "seeds": [1],
    "variants": {"tables": [], "quirks": [], "seeds": [1]},
}


@pytest.fixture(scope="module")
def stages():
    """The stages of every row at the paper's scale, under some switches."""

    @functools.cache
    def of_switch(*switch):
        quirks = dict([switch] if switch else [])
        plan = Plan(load("paper", EVERYTHING | {"quirks": quirks}))
        return {(cell.method, cell.pair): [stage.digest for stage in cell.stages] for cell in plan.cells}

    return of_switch


@pytest.mark.parametrize("switch", CHANGES, ids="=".join)
def test_plans_change_in_the_same_rows(stages, switch):
    before, after = stages(), stages(*switch)
    assert before.keys() == after.keys()
    # At the paper's sizes most truncated students are as wide as what they are cut from.
    cut = {"Universal-KD", "TAKD", "DGKD"} if switch[0] == "fused-truncation" else CHANGES[switch]
    assert {method for method, pair in before if before[method, pair] != after[method, pair]} == cut


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"no-such": "fixed"}, "quirks.no-such: no such quirk; valid: abkd-script, adaptive-form, "),
        ({"masked-means": "broken"}, "quirks.masked-means: no switch 'broken'; it has as_run, fixed"),
        ({"cb-selection": "fixed"}, "quirks.cb-selection: no switch 'fixed'; it has as_run"),
        ({"diito-site": "fixed"}, "quirks.diito-site: no switch 'fixed'; it has as_run, as_published"),
    ],
)
def test_unknown_choices_are_named(chosen, message):
    with pytest.raises(InputError, match=message):
        rewrite(glmd.KD, chosen)
    if set(chosen.values()) <= {"fixed"}:  # the schema knows no other words
        with pytest.raises(InputError, match=message):
            Plan(load("smoke", {"methods": ["PD"], "quirks": chosen}))


# What runs


def changed_steps():
    for switch, names in CHANGES.items():
        for name in sorted(names):
            method, changed = METHODS[name], rewrite(METHODS[name], dict([switch]))
            variants = ((method.steps, changed.steps, ""), (method.unequal, changed.unequal, "unequal"))
            links = (method.chain.links, changed.chain.links, "") if method.chain else ((), (), "")
            for before, after, kind in (*variants, links):
                for number, (old, new) in enumerate(zip(before, after, strict=True)):
                    if old != new:
                        yield pytest.param(name, kind, new, id=f"{switch[0]}-{name}{kind}-{number}")


@pytest.mark.parametrize(("name", "kind", "step"), list(changed_steps()))
@pytest.mark.parametrize("layers", [1, 2])
def test_changed_steps_train_the_student(name, kind, step, layers):
    student, teachers = models_for(name, kind, step, layers)
    torch.manual_seed(9)
    bound = BoundObjective(step.objective, student.shape, [teacher.shape for teacher in teachers]).double()
    for clock in (Clock(0, 10), Clock(4, 10, epoch=1)):
        loss = bound.loss(batch_for(step.phase), student, teachers, clock).total
        assert torch.isfinite(loss)
        student.module.zero_grad()
        loss.backward()
        moved = [p.grad for p in student.module.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in moved)
        assert any(gradient.any() for gradient in moved)
