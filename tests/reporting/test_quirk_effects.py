"""Flipped switches beside the rows as run, seed by seed."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

from retort.config import load
from retort.errors import InputError
from retort.plan import Plan
from retort.reporting.quirk_effects import COLUMNS, quirk_effects
from retort.reporting.results import Results
from retort.reporting.tables import markdown


def test_without_any_the_table_says_so(results_root):
    table = quirk_effects(Results(results_root))
    assert tuple(table.data.columns) == COLUMNS and table.data.empty
    assert any("No switch was tried" in note for note in table.notes)


def test_a_difference_is_taken_over_the_seeds_that_both_have(results_root):
    path = results_root / "glmd" / "scores.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    # KD has 45, 46 and 47 with seeds 1, 2, 3.
    for row in [r for r in rows if r["method"] == "KD" and r["seed"] in ("1", "2")]:
        name = "KD [soft-loss-t2: as_published]"
        rows.append(
            row | {"role": "quirk", "method": name, "value": str(40.0 + 3 * int(row["seed"])), "stage": ""}
        )
    pd.DataFrame(rows).to_csv(path, index=False)
    table = quirk_effects(Results(results_root))
    (found,) = table.data.to_dict("records")
    assert (found["quirk"], found["switch"], found["method"], found["pair"]) == (
        "soft-loss-t2",
        "as_published",
        "KD",
        "T1-S1",
    )
    assert (found["as_run"], found["switched"], found["difference"], found["n"]) == (45.5, 44.5, -1.0, 2)
    assert "−1.0 ± 1.4" in markdown(table) and "**soft-loss-t2**" in markdown(table)


def cells(**changes):
    few = {"methods": ["KD", "CKD", "PKD", "Universal-KD"], "pairs": ["T1-S1", "T1-S2"], "seeds": [1]}
    plan = Plan(load("smoke", few | {"variants": {"tables": [], "seeds": [1]} | changes}))
    return [(c.method, c.pair) for c in plan.cells if c.role == "quirk"]


def test_a_switch_is_tried_on_what_it_changes_and_where_it_changes_something():
    assert cells(quirks=["soft-loss-t2"]) == [("KD [soft-loss-t2: as_published]", "T1-S1")]
    # PKD's student is as wide as its teacher: nothing is cut off there.
    assert cells(quirks=["fused-truncation"]) == [("Universal-KD [fused-truncation: fixed]", "T1-S1")]
    assert cells(quirks=[]) == []


@pytest.mark.parametrize(
    ("name", "words"), [("none-such", "no quirk 'none-such'"), ("mgskd-spans", "no switch to try")]
)
def test_what_cannot_be_tried_is_said(name, words):
    with pytest.raises(InputError, match=words):
        cells(quirks=[name])
