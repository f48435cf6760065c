"""Each part of the data has the name of what decides its bytes, and of nothing else."""

from __future__ import annotations

import pytest

from retort.config import load
from retort.texts import CORPUS, part_of, raw_names, text_names

TASKS = ["RTE", "CB"]
BASE = {"tasks": TASKS, "task_training": {"max_length": {"RTE": 96, "CB": 96}}}
ALL = {CORPUS, *TASKS}


@pytest.mark.parametrize(
    ("change", "raw", "text"),
    [
        ({"data": {"pocket": {"world_seed": 2}}}, ALL, ALL),
        ({"data": {"pocket": {"documents": 100}}}, {CORPUS}, ALL),
        ({"data": {"pocket": {"train_size": 8}}}, set(TASKS), set(TASKS)),
        ({"data": {"limits": {"corpus": 100}}}, set(), ALL),
        ({"data": {"limits": {"dev": 4}}}, set(), set(TASKS)),
        ({"data": {"vocabulary": {"multiple_of": 64}}}, set(), ALL),
        ({"task_training": {"max_length": {"RTE": 80, "CB": 96}}}, set(), {"RTE"}),
        ({"task_training": {"epochs": 5}}, set(), set()),
        ({"tasks": ["RTE"]}, set(), set()),
        ({"tasks": ["CB", "RTE"]}, set(), set()),
        ({"data": {"source": "folder"}, "data_root": "x"}, ALL, ALL),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # sets have no order
)
def test_a_value_renames_just_what_it_decides(change, raw, text):
    before, after = load("smoke", BASE), load("smoke", BASE | change)
    for names, renamed in ((raw_names, raw), (text_names, text)):
        old, new = names(before), names(after)
        assert {part for part in old.keys() & new.keys() if old[part] != new[part]} == renamed
        assert all(part_of(name) == part for part, name in new.items()) and next(iter(new)) == CORPUS
