"""Layers that the released scripts of the CKA paper compare and copy, line by line of a table of them."""

import csv
from itertools import groupby
from pathlib import Path

import pytest

from retort.distill.layermaps import BlockEnds
from retort.distill.schedules import Clock
from retort.recipes import cka

TABLE = Path(__file__).parents[2] / "resources/paper/cka/layer_maps.csv"
TEACHER_LAYERS = 12
METHODS = {method.name: method for method in cka.METHODS}


def groups():
    with TABLE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for (scripts, stack), found in groupby(rows, lambda row: (row["scripts"], row["stack"])):
        yield pytest.param(list(found), id=f"{scripts} {stack}")


@pytest.mark.parametrize("rows", list(groups()))
def test_states_that_are_compared(rows):
    listed = [(int(row["student_state"]), int(row["teacher_state"])) for row in rows]
    pairs = BlockEnds(embedding=True).pairs(Clock(0, 1), len(rows) - 1, TEACHER_LAYERS)
    assert [(*pair.student, *pair.teacher) for pair in pairs] == listed


@pytest.mark.parametrize("rows", list(groups()))
def test_layers_that_are_copied(rows):
    (method,) = {row["method"] for row in rows}
    listed = {int(row["student_layer"]): row["copied_from"] for row in rows if row["student_layer"]}
    expected = [None if text == "random" else int(text) for _, text in sorted(listed.items())]
    assert METHODS[method].cut.sources(len(listed), TEACHER_LAYERS) == expected


def test_every_depth_and_stack_is_there():
    found = {param.id for param in groups()}
    assert len(found) == 26 and sum(name.endswith("decoder") for name in found) == 10
