"""Sizes of the data: known, generated, and read from encoded text."""

from __future__ import annotations

import numpy as np
import pytest

from retort.config import load
from retort.corpora import Corpus
from retort.costs.sizes import measure_task, official, sizes_of
from retort.data.examples import ClozeExample, GLMExample
from retort.data.store import save_examples
from retort.files import write_json
from retort.plan import Plan
from retort.stages import Compression


def sizes(scale, overrides=None, folder=None):
    config = load(scale, overrides or {})
    return sizes_of(Plan(config) if folder is None else Plan(config, folder))


def test_the_paper_s_data(tmp_path):
    found = sizes("paper", folder=tmp_path)
    assert (found.rows, found.words) == (30592, 30524)
    assert found.compressed(Compression()) == 15360 and found.compressed(None) == 30592
    assert found.tasks["ReCoRD"].train == 138825 and found.tasks["ReCoRD"].train_rows == 10
    assert found.tasks["MultiRC"].train == 27243 and found.tokens > 4e9
    assert set(official()) == set(found.tasks)


def test_windows_are_filled_and_masked(tmp_path):
    sample = sizes("paper", folder=tmp_path).sample(Corpus("windows", 512, "paper"))
    # 15 % in spans of about three words: a start for each span and its words again behind the text
    assert 540 < sample.tokens < sample.padded < 570 and 95 < sample.predicted < 105


def test_limits_bound_what_is_used(tmp_path):
    found = sizes("real", {"data_root": str(tmp_path)}, tmp_path)
    assert {task.train for task in found.tasks.values()} == {192}
    assert found.tasks["CB"].dev == 56 and found.tasks["RTE"].dev == 128


def test_the_generated_world_grows_with_its_settings(tmp_path):
    found = sizes("pocket", {"data": {"pocket": {"train_size": 100}}}, tmp_path)
    assert (found.tasks["COPA"].train, found.tasks["MultiRC"].train, found.tasks["WSC"].train) == (
        200,
        150,
        50,
    )
    assert found.rows == 728 and found.documents == 60000


def test_the_generated_world_is_as_assumed(tmp_path):
    """What the table says of the world is what the world says of itself."""
    from retort.data.parts import prepare_paper

    overrides = {"data": {"pocket": {"train_size": 20, "dev_size": 20, "documents": 2000}}}
    config = load("smoke", overrides)
    plan = Plan(config, tmp_path)
    assumed = sizes("smoke", overrides, tmp_path)
    prepare_paper(plan, "glmd")
    measured = sizes("smoke", overrides, tmp_path)
    assert measured.tokens != assumed.tokens  # read, not the table again
    assert measured.tokens == pytest.approx(assumed.tokens, rel=0.1)
    assert measured.rows == pytest.approx(assumed.rows, rel=0.15)
    for name, task in measured.tasks.items():
        table = assumed.tasks[name]
        assert (task.train, task.train_rows) == (table.train, table.train_rows), name
        assert task.length == pytest.approx(table.length, rel=0.1), name
        assert task.answer == pytest.approx(table.answer, rel=0.2), name


def example(key, lengths):
    rows = []
    for length in lengths:
        predicted = np.zeros(length, dtype=bool)
        predicted[-2:] = True
        zeros = np.zeros(length, dtype=np.int32)
        rows.append(GLMExample(zeros, np.zeros((2, length), dtype=np.int32), length - 2, zeros, predicted))
    return ClozeExample(key, tuple(rows), 0, None, {})


def test_a_task_is_measured_batch_by_batch(tmp_path):
    train = [example("a", [4, 6]), example("b", [5, 7]), example("c", [10, 8, 9])]
    save_examples(tmp_path, "train", train)
    save_examples(tmp_path, "val", train[:1])
    found = measure_task(tmp_path, batch=2)
    assert (found.train, found.dev, found.train_rows, found.dev_rows) == (3, 1, 2.5, 2)
    assert (found.length, found.longest, found.answer) == (7, 8.5, 2)  # batches of 7 and of 10


def test_text_that_was_encoded_wins(tmp_path):
    plan = Plan(
        load("smoke", {"papers": ["glmd"], "tasks": ["COPA"], "methods": ["KD"], "variants": {"tables": []}}),
        tmp_path,
    )
    corpus, task = (plan.layout.text(plan.text[part]) for part in ("corpus", "COPA"))
    save_examples(task, "train", [example("a", [4, 6])])
    save_examples(task, "val", [example("a", [4, 6])])
    summary = {"vocabulary": 90, "vocabulary_rows": 96, "documents": 7, "tokens": 70}
    write_json(corpus / "summary.json", summary)
    assert sizes_of(plan).words != 90  # the task is not finished
    write_json(task / "summary.json", {"train": 1, "val": 1})
    found = sizes_of(plan)
    assert (found.rows, found.words, found.tokens) == (96, 90, 70)
    assert found.tasks["COPA"].length == 5
