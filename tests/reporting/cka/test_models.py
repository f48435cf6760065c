"""Sizes, times and recipes of the models."""

import csv

import pytest

from retort.evaluation import speed as timing
from retort.reporting.cka.methods import methods
from retort.reporting.cka.released import released
from retort.reporting.cka.sizes import sizes
from retort.reporting.cka.speed import speed
from retort.reporting.results import PUBLISHED, SPEED
from retort.reporting.track_rows import described, family_of


def rows(table):
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, [cell.text for cell in line.cells], strict=True)) for line in table.lines]


def test_times_are_those_of_the_timing_step(texts):
    assert timing.COLUMNS == SPEED
    table = speed(texts)
    (student,) = [row for row in rows(table) if row["Model"] == "BART_1x32" and row["Batch"] == "16"]
    assert (student["Median ms"], student["10–90 %"]) == ("40", "36–48")
    assert (student["Of the teacher's"], student["Times as fast"]) == ("25 %", "4.0")
    assert table.notes[0] == "Machine: Test <CPU>, 1 thread (cpu), torch 2.0."


def test_our_sizes_stand_beside_the_paper_s(texts):
    table = sizes(texts)
    found = {(line.group, line.cells[0].text): line for line in table.lines}
    ours = found["BART, here", "BART_1x32"]
    theirs = found["BART, in the paper", "3x640"]
    assert [cell.text for cell in ours.cells[-2:]] == ["64,000", "25.0 %"]
    assert [cell.text for cell in theirs.cells[-2:]] == ["79,758,336", "19.6 %"]
    assert (ours.kind, theirs.kind) == ("ours", "paper")
    with (PUBLISHED / "cka" / "student_architectures.csv").open(newline="") as stream:
        assert sum(line.kind == "paper" for line in table.lines) == len(list(csv.DictReader(stream)))


def test_methods_show_what_the_scripts_confound(texts):
    found = {(row["Method"], row["Stage"]): row for row in rows(methods(texts))}
    cka, linear = found["BART CKA", "Stage 1"], found["BART linear", "Stage 1"]
    assert "reverse KL" in cka["Compares"] and "reverse" not in linear["Compares"]
    assert cka["Rate"] != linear["Rate"]
    assert found["BART CKA C4", "Stage 2"]["Starts from"] == "stage 1"
    alike = [row for (name, _), row in found.items() if name.endswith("(one recipe)")]
    assert len(alike) == 4
    for column in ("Rate", "Decay", "Starts from"):
        assert len({row[column] for row in alike}) == 1, column
    assert not any("reverse" in row["Compares"] for row in alike)


def test_every_released_script_is_listed(texts):
    table = released(texts)
    with (PUBLISHED / "cka" / "hyper_parameters.csv").open(newline="") as stream:
        scripts = [row["script"] for row in csv.DictReader(stream)]
    assert [row["Script"] for row in rows(table)] == scripts
    assert table.data["script"].tolist() == scripts


@pytest.mark.parametrize(
    ("track", "model", "words"),
    [
        ("bart", "BART_2x32", "BART_2x32: 2 + 2 layers, width 32"),
        ("mbart", "mBART_2_1x32", "mBART_2_1x32: 2 + 1 layers, width 32"),
        ("bert", "BERT_2x32", "BERT_2x32: 2 layers, width 32"),
    ],
)
def test_models_are_described_in_words(texts, track, model, words):
    assert described(texts.tracks[track], model) == words


def test_tracks_of_one_family_are_told_apart(texts):
    assert family_of(texts, "bart") == "BART"
    texts.config.cka.tracks["bart_again"] = texts.tracks["bart"]
    try:
        assert family_of(texts, "bart") == "BART (bart)"
    finally:
        del texts.config.cka.tracks["bart_again"]
