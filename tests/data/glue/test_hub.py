"""Rows of the hub become the same examples as the official files."""

from __future__ import annotations

import pytest

from retort.data.glue.formats import GlueExample, official_lines, read_glue
from retort.data.glue.hub import COLUMNS, CONFIGS, LABEL_NAMES, check_label_names, hub_examples, hub_splits
from retort.data.glue.tasks import TASKS, spec_of
from retort.errors import InputError


def row(task, label):
    return {name: f"text {number}\tof it" for number, name in enumerate(COLUMNS[task])} | {
        "label": label,
        "idx": 7,
    }


@pytest.mark.parametrize("task", TASKS)
def test_rows_become_official_files(task, tmp_path):
    label = 2.5 if task == "STS-B" else 1
    examples = hub_examples(task, "val", [row(task, label)], f"glue/{CONFIGS[task]}")
    (tmp_path / "dev.tsv").write_text("\n".join(official_lines(task, examples)) + "\n")
    (found,) = read_glue(task, "val", tmp_path / "dev.tsv")
    second = "text 1 of it" if len(spec_of(task).texts) == 2 else None
    assert found == GlueExample(found.key, "text 0 of it", second, label)


@pytest.mark.parametrize("task", TASKS)
def test_every_split_has_a_file(task):
    assert hub_splits(task).keys() == spec_of(task).splits.keys()
    assert len(COLUMNS[task]) == len(spec_of(task).texts)
    assert len(LABEL_NAMES.get(task, ())) == len(spec_of(task).labels)


def test_other_classes_missing_columns_and_unlabelled_rows_are_refused():
    check_label_names("MNLI", ["entailment", "neutral", "contradiction"], "hub")
    with pytest.raises(InputError, match=r"hub: field 'label' has classes .*'neutral'\), expected"):
        check_label_names("MNLI", ["entailment", "contradiction", "neutral"], "hub")
    with pytest.raises(InputError, match="hub: column 'question1' is missing; is it a GLUE repository"):
        hub_examples("QQP", "val", [row("RTE", 1)], "hub")
    for label in (-1, 2):
        with pytest.raises(InputError, match=f"hub: field 'label' is {label}; only labelled splits"):
            hub_examples("RTE", "val", [row("RTE", label)], "hub")
