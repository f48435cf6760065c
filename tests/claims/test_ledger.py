import re

import pytest

from retort.claims.kinds import ANY, AVERAGE, PLACES, Cell, scopes, tasks_of
from retort.claims.ledger import LEDGERS, ledger_path, read_ledger
from retort.claims.naming import cells_of
from retort.errors import InputError
from retort.recipes import atkd, cka, cka_one_recipe
from retort.recipes.glmd import METHODS
from retort.recipes.glmd_variants import VARIANTS
from retort.recipes.registry import RECIPES

GOOD = """\
claims:
  - id: a
    where: Table 3
    basis: stated
    statement: A beats B.
    test: {kind: greater, higher: KD @ T1-S1, lower: PD @ T1-S1}
"""


def test_every_claim_of_the_paper_loads():
    claims = read_ledger(ledger_path("glmd"), "glmd")
    assert len(claims) >= 35
    assert {claim.test.kind for claim in claims} == {
        "greater", "at_least_within", "best_of", "trend", "count", "correlation", "coverage", "size",
    }  # fmt: skip


def test_claims_of_the_second_paper_load():
    claims = read_ledger(ledger_path("cka"), "cka")
    kinds = {"greater", "no_worse", "cost", "same_network", "speed", "start", "correlation", "demonstration",
             "unjudged"}  # fmt: skip
    assert {claim.test.kind for claim in claims} == kinds
    assert {claim.basis for claim in claims} == {"stated", "reported", "criticism"}
    assert not any(claim.published for claim in claims), "no number of its tables is known"
    known = {method.name for method in (*cka.METHODS, *cka_one_recipe.METHODS)}
    for claim in claims:
        for cell in cells_of(claim.test):
            assert cell.method in known and cell.pair in PLACES, f"{claim.id}: {cell}"


def test_of_what_is_compared_as_released_the_same_is_compared_under_one_recipe():
    """By family and rival; what belongs to one data set, depth or first stage stands alone."""
    tests = [claim.test for claim in read_ledger(ledger_path("cka"), "cka") if claim.test.kind == "greater"]
    averages = {
        (t.higher.method, t.lower.method) for t in tests if t.score == AVERAGE and t.higher.pair == ANY
    }
    kinds = ("linear", "cosine", "none")
    released = {(one, other) for one, other in averages if other.split()[1:] in [[kind] for kind in kinds]}
    assert len(released) == 8
    assert {
        (one + cka_one_recipe.SUFFIX, other + cka_one_recipe.SUFFIX) for one, other in released
    } <= averages


def test_claims_of_the_third_paper_load():
    claims = read_ledger(ledger_path("atkd"), "atkd")
    assert {claim.test.kind for claim in claims} == {"greater", "no_worse", "best_of", "flatter", "unjudged"}
    assert {claim.published for claim in claims} == {None, 3.04, 3.27, 8}
    recipes = RECIPES["atkd"]
    known = {method.name for method in (*recipes.methods, *(method for method, _ in recipes.variants))}
    for claim in claims:
        for cell in cells_of(claim.test):
            assert cell.method in known and cell.pair in PLACES, f"{claim.id}: {cell}"
    compared = {(t.higher.method, t.lower.method) for t in (c.test for c in claims) if t.kind == "greater"}
    assert compared >= {(method.name, method.tuned_as) for method in atkd.ADAPTIVE}


def test_no_ledger_is_left_unread():
    assert {path.stem for path in LEDGERS.glob("*.yaml")} == {"glmd", "cka", "atkd"}


def test_every_cell_is_a_row_of_the_paper_or_a_variant():
    from retort.reporting.results import PUBLISHED

    printed = {
        tuple(re.match(r'[^,]+,([^,]+),("[^"]+"|[^,]+)', line).groups())
        for line in (PUBLISHED / "glmd" / "table3.csv").read_text().splitlines()[1:]
    }
    printed = {(method, pair.strip('"')) for method, pair in printed}
    variants = {v.method.name for v in VARIANTS}
    methods = {method.name for method in METHODS} | {"GLM"}
    for claim in read_ledger(ledger_path("glmd"), "glmd"):
        for cell in cells_of(claim.test):
            known = (cell.method, cell.pair) in printed and cell.method in methods
            assert known or (cell.method in variants and cell.pair == "T1-S1"), f"{claim.id}: {cell}"


def test_every_variant_is_in_some_claim():
    named = {
        cell.method for claim in read_ledger(ledger_path("glmd"), "glmd") for cell in cells_of(claim.test)
    }
    assert {variant.method.name for variant in VARIANTS} <= named


def test_a_ledger_is_read(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)
    (claim,) = read_ledger(path, "glmd")
    assert cells_of(claim.test) == (Cell(method="KD", pair="T1-S1"), Cell(method="PD", pair="T1-S1"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("statement:", "statment:", "claim a: statment: unknown key; did you mean 'statement'?"),
        ("    where: Table 3\n", "", "claim a: where: is missing; add it"),
        (
            "basis: stated",
            "basis: said",
            "claim a: basis: given \"said\", expected 'stated', 'printed', 'reported' or 'criticism'",
        ),
        (
            "kind: greater",
            "kind: bigger",
            "claim a: test: kind must be one of greater, no_worse, at_least_within",
        ),
        ("higher: KD", "higer: KD", "claim a: test.higer: unknown key; did you mean 'higher'?"),
        ("KD @ T1-S1", "KD", "claim a: test.higher: given \"KD\", expected a cell as 'method @ pair'"),
        ("lower:", "score: RTEE, lower:", 'claim a: test.score: given "RTEE", expected a task or an average'),
        ("id: a", "id: A b", 'claim A b: id: given "A b", expected'),
        ("claims:", "claim:", "claims: is missing; add it"),
        ("  - id: a", "  - id: a\n    id: b", ":3: not valid YAML (key 'id' is written twice)"),
    ],
)
def test_a_mistake_is_one_line_with_place_and_remedy(tmp_path, old, new, message):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_ledger(path, "glmd")
    assert message in str(caught.value)
    assert all(line.startswith(str(path)) for line in str(caught.value).splitlines())


_PROBES = "kind: correlation, figure: %s, cell: A @ X-Y, of: %s, against: %s, relation: above,"
_FROM = " threshold: 0, threshold_from: x"


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            "kind: greater, higher: A @ smallest teacher, lower: B @ any pair",
            "expected 'any pair' in all cells or in none",
        ),
        (
            "kind: greater, higher: A @ smallest teacher, lower: B @ X-Y",
            "expected 'smallest teacher', 'largest teacher' in all cells or in none",
        ),
        (
            "kind: trend, rising: [A @ largest teacher, A @ X-Y, A @ smallest teacher]",
            "expected a pair by its name ('smallest teacher', 'largest teacher': for greater",
        ),
        (
            "kind: greater, higher: A @ any pair, lower: B @ X-Y",
            "expected 'any pair' in all cells or in none",
        ),
        (
            "kind: best_of, best: A @ any pair, rest: [B @ any pair]",
            "expected a pair by its name ('any pair'",
        ),
        (
            "kind: greater, higher: A @ any pair, lower: A @ any pair",
            "(A @ any pair is compared with itself)",
        ),
        ("kind: greater, higher: A @ X-Y, lower: B @ X-Y, score: WiC", "expected a task or an average: "),
        ("kind: demonstration, of: x, relation: above," + _FROM, "test.of: given"),
        (_PROBES % ("figure2", "cka", "loss") + _FROM, "expected series of figure2"),
        (_PROBES % ("probes", "loss", "gram_kl") + _FROM, "expected series of probes"),
        ("kind: cost, cell: A @ X-Y, reference: B @ X-Y, stage: tasks", "'pretraining' or 'task'"),
    ],
)
def test_mistakes_in_newer_kinds_are_named(tmp_path, test, message):
    path = tmp_path / "x.yaml"
    path.write_text(re.sub(r"\{kind.*\}", f"{{{test}}}", GOOD))
    with pytest.raises(InputError, match=re.escape(message)):
        read_ledger(path, "cka")


def test_scopes_are_those_of_the_paper(tmp_path):
    assert scopes("cka")[:4] == (AVERAGE, "classes", "summarisation", "translation")
    assert "without ReCoRD" in scopes("glmd") and "without ReCoRD" not in scopes("cka")
    assert "cloze" not in scopes("glmd") and scopes("atkd") == (AVERAGE, "instructions")
    assert tasks_of("cka", "translation")[0] == "WMT16-en-ro" and tasks_of("cka", "RTE") == ("RTE",)
    assert "ReCoRD" not in tasks_of("glmd", "without ReCoRD") and len(tasks_of("glmd", AVERAGE)) == 8


def test_ids_are_unique(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD + GOOD.removeprefix("claims:\n"))
    with pytest.raises(InputError, match="claim a: id is used twice"):
        read_ledger(path, "glmd")


def test_a_count_cannot_ask_for_more_than_there_is(tmp_path):
    test = "{kind: count, comparisons: [[KD @ T1-S1, PD @ T1-S1]], least: 2}"
    path = tmp_path / "x.yaml"
    path.write_text(re.sub(r"\{kind.*\}", test, GOOD))
    with pytest.raises(InputError, match=r"claim a: test: .*'least' to be at most 1"):
        read_ledger(path, "glmd")


def test_no_ledger(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_ledger(tmp_path / "x.yaml", "glmd")
