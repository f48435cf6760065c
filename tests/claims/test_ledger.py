import re

import pytest

from retort.claims.kinds import Cell, cells_of
from retort.claims.ledger import ledger_path, read_ledger
from retort.errors import InputError
from retort.recipes.glmd import METHODS
from retort.recipes.glmd_variants import VARIANTS

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
        ("kind: greater", "kind: bigger", "claim a: test: kind must be one of greater, no_worse, at_least_within"),
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
