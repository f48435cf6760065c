"""Table 7: which batch size and learning rate each score came from, beside the paper's choice."""

from __future__ import annotations

import csv

import pytest

from retort.config import load
from retort.errors import InputError
from retort.evaluation.collect import CHOICES
from retort.files import write_text
from retort.reporting.results import Results
from retort.reporting.table7 import table7
from retort.reporting.tables import latex, markdown


def record(data, **fields):
    for name, value in fields.items():
        data = data[data[name] == value]
    (found,) = data.to_dict("records")
    return found


def texts(table, method, pair, source):
    (line,) = (x for x in table.lines if [c.text for c in x.cells[:3]] == [method, pair, source])
    return [cell.text for cell in line.cells[3:]], line.kind


def test_ours_and_the_papers_stand_side_by_side(shared_root):
    results = Results(shared_root)
    found = record(table7(results).data, method="TinyBERT", pair="T1-S1", task="RTE")
    mine = {"batch_size": "16", "learning_rate": "0.001", "n": "3", "score": "80.5", "points": "1"}
    assert mine.items() <= found.items()
    printed = results.published_table("table7_hparams")
    row = record(printed, method="TinyBERT", config="T1-S1", task="RTE")
    assert (found["paper_batch_size"], float(found["paper_learning_rate"])) == (
        row["batch_size"],
        float(row["learning_rate"]),
    )


def test_every_number_of_the_paper_is_there_once(shared_root):
    data = table7(Results(shared_root)).data
    assert not data.duplicated(["method", "pair", "task"]).any()
    assert data["paper_batch_size"].notna().sum() == len(
        Results(shared_root).published_table("table7_hparams")
    )


def test_a_line_holds_both_numbers_of_each_task(shared_root):
    table = table7(Results(shared_root))
    assert [column.title for column in table.columns[:3]] == ["Method", "Pair", "From"]
    assert texts(table, "TinyBERT", "T1-S1", "ours") == (["16 / 0.001"] * 8, "ours")
    printed, kind = texts(table, "TinyBERT", "T1-S1", "paper")
    assert kind == "paper" and all(text.split(" / ")[0] in ("16", "32") for text in printed)
    assert {text.split(" / ")[1] for text in printed} <= {"5e-06", "1e-05", "2e-05"}
    assert texts(table, "MiniLM", "T1-S1", "paper")[1] == "not_run"


def test_the_papers_teachers_meet_ours(shared_root):
    table = table7(Results(shared_root))
    assert texts(table, "GLM", "T1", "ours") == (["16 / 0.001"] * 8, "ours")
    assert texts(table, "GLM", "T1", "paper")[0] == ["16 / 1e-05"] * 8


def choose(root, rows):
    with (root / "glmd" / "hyper_parameters.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([CHOICES, *rows])


def test_it_shows_the_paper_protocol_and_no_ablation(results_root):
    rows = [
        ("student", "KD", "T1-S1", "RTE", "paper", 32, 2e-5, 3, 70.0, 6),
        ("student", "KD", "T1-S1", "RTE", "held_out", 16, 1e-5, 3, 60.0, 6),
        ("variant", "GLMD, halved", "T1-S1", "RTE", "paper", 16, 5e-6, 3, 60.0, 6),
    ]
    choose(results_root, rows)
    table = table7(Results(results_root))
    found = record(table.data, method="KD", pair="T1-S1", task="RTE")
    assert (found["batch_size"], found["learning_rate"], found["points"]) == ("32", "2e-05", "6")
    line, _ = texts(table, "KD", "T1-S1", "ours")
    assert [text for text in line if text] == ["32 / 2e-05"]
    assert "GLMD, halved" not in set(table.data["method"])


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({}, "Ours: as configured; nothing was searched."),
        ({"hyper_parameters": "some.csv"}, "Ours: as configured, from some.csv; nothing was searched."),
        (
            {"search": {"learning_rates": [1e-5, 2e-5], "batch_sizes": [16]}},
            "Ours: the best of batch sizes 16 and learning rates 1e-05, 2e-05 by the mean dev score of the "
            "seeds; of equally good ones the smaller batch, then the smaller rate.",
        ),
    ],
)
def test_a_note_says_where_ours_come_from(results_root, training, words):
    config = load("pocket", {"task_training": training})
    write_text(results_root / "config.json", config.model_dump_json())
    assert words in table7(Results(results_root)).notes


def test_without_collected_scores_the_step_is_named(results_root):
    (results_root / "glmd" / "hyper_parameters.csv").unlink()
    with pytest.raises(InputError, match="hyper_parameters.csv: no such file; run the step that collects"):
        table7(Results(results_root))


def test_written_forms_are_whole(shared_root):
    table = table7(Results(shared_root))
    rows = [line for line in markdown(table).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(table.columns) + 1}
    assert latex(table).isascii()
