"""Table 6 against the plan and against cells written by hand."""

import pytest

from retort.config import load
from retort.plan import Plan
from retort.reporting.results import Results
from retort.reporting.table6 import table6
from retort.reporting.tables import latex, markdown


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp("smoke")
    (root / "config.json").write_text(load("smoke").model_dump_json())
    return table6(Results(root))


def stage(table, method, title):
    (found,) = table.data[(table.data["method"] == method) & (table.data["stage"] == title)].to_dict(
        "records"
    )
    return {
        name: value for name, value in found.items() if value and name not in ("section", "method", "stage")
    }


@pytest.mark.parametrize(
    ("method", "title", "cells"),
    [
        (
            "KD",
            "Stage 1",
            {
                "phase": "task",
                "starts_from": "random",
                "teachers": "fine-tuned teacher",
                "compares": "classes: CE at 10 + labels",
            },
        ),
        (
            "TinyBERT",
            "Stage 2",
            {
                "phase": "task",
                "starts_from": "stage 1, with its projections",
                "teachers": "fine-tuned teacher",
                "compares": "attention scores: MSE + hidden states, projection: MSE",
                "layers": "uniform; uniform, with embeddings",
                "trained_beside": "projection",
                "needs": "equal heads",
            },
        ),
        (
            "PKD",
            "Stage 1",
            {
                "phase": "task",
                "starts_from": "teacher's first layers",
                "teachers": "fine-tuned teacher",
                "compares": (
                    "classes: KL at 10 times T² + labels + hidden states, first token, unit length: MSE"
                ),
                "layers": "uniform, without the last",
                "needs": "equal widths",
            },
        ),
        (
            "RL-KD",
            "Stage 2",
            {
                "phase": "task",
                "starts_from": "stage 1",
                "teachers": "all of the pair, an encoder",
                "compares": "classes: CE at 10 + labels (teachers chosen by a policy)",
                "trained_beside": "policy",
            },
        ),
        (
            "GLMD+al",
            "Stage 1",
            {
                "phase": "pretraining",
                "starts_from": "random",
                "teachers": "pretrained teacher",
                "compares": "words: KL at 15 times T²",
                "student": "0.5 of the vocabulary, factorised embeddings",
            },
        ),
        (
            "DGKD",
            "Links 2 to 3",
            {
                "phase": "task",
                "starts_from": "teacher's first layers",
                "teachers": "all larger models",
                "compares": "classes: CE at 10 + labels (some teachers left out at random)",
            },
        ),
    ],
)
def test_cells_are_those_written_by_hand(table, method, title, cells):
    assert stage(table, method, title) == cells


def test_only_configured_methods_share(tmp_path):
    few = load("smoke", {"methods": ["PD", "SID", "MGSKD"]})
    (tmp_path / "config.json").write_text(few.model_dump_json())
    table = table6(Results(tmp_path))
    assert stage(table, "PD", "Stage 1")["shared_with"] == "SID"
    assert "shared_with" not in stage(table, "MGSKD", "Stage 1")  # TinyBERT is not run


def test_one_row_a_stage_that_the_plan_has(table):
    plan = Plan(load("smoke"))
    depth = {}
    for cell in plan.cells:
        depth[cell.method] = 1
        last = cell.stages[0]
        while last.init is not None:
            last, depth[cell.method] = last.init, depth[cell.method] + 1
    rows = table.data[~table.data["method"].isin(["TAKD", "DGKD", "RAIL-KD"])].groupby("method").size()
    assert len(rows) == 27
    assert rows.to_dict() == {name: depth[name] for name in rows.index}


def test_written_forms_are_whole(table):
    rows = [line for line in markdown(table).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(table.columns) + 1}
    text = latex(table)
    assert text.isascii()
    assert text.count("cm}") == sum(column.wrap > 0 for column in table.columns)
    assert r"\begin{landscape}" in text and r"\end{landscape}" in text and ",pdflscape" in text
