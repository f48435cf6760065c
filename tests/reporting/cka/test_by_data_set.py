"""Scores by data set: numbers, their seeds, and visibly empty cells for what the paper keeps to itself."""

import re
import shutil

import pytest
from text_runs import LEVELS

from retort.errors import InputError
from retort.evaluation.text_metrics import score_texts
from retort.reporting.cka.glue import glue
from retort.reporting.cka.summarisation import summarisation, summarisation_held_out
from retort.reporting.cka.translation import translation
from retort.reporting.published_scores import published_scores
from retort.reporting.results import PUBLISHED, Results
from retort.reporting.tables import UNKNOWN, latex, markdown


def cells(table, method, pair):
    """What people read in a row, by the heads of columns."""
    (line,) = [line for line in table.lines if [cell.text for cell in line.cells[:2]] == [method, pair]]
    return {column.title: cell.shown for column, cell in zip(table.columns, line.cells, strict=True)}


def test_a_row_has_every_metric_of_every_set_over_its_seeds(texts):
    table = summarisation(texts)
    row = cells(table, "BART CKA", "BART-BART_1x32")
    # Seeds 1, 2, 3 score 28, 30 and 32 on the first set, 4 less on the second.
    assert (row["XSum R-1"], row["CNN-DM R-Lsum"], row["Seeds"]) == ("30.0 ± 2.0", "26.0 ± 2.0", "3")
    assert row["Parameters"] == "64,000"
    assert cells(table, "copy", "")["XSum R-2"] == "20.0"
    assert cells(summarisation_held_out(texts), "BART CKA", "BART-BART_1x32")["XSum R-2"] == "29.0 ± 2.0"
    assert [line.group for line in table.lines][:3:2] == [
        "BART: baseline and teachers",
        "BART_1x32: 1 + 1 layers, width 32",
    ]


def test_averages_are_over_all_tasks_and_marked_where_nothing_was_learned(texts):
    table = glue(texts)
    levels = [LEVELS["BERT CKA"] - 4 * place for place in range(3)]
    row = cells(table, "BERT CKA", "BERT-BERT_2x32")
    assert row["Average"] == f"{sum(levels) / 3:.1f} ± 2.0"
    assert row["STS-B Spearman"] == "46.0 ± 2.0"
    assert cells(table, "BERT none", "BERT-BERT_2x32")["Average"] == "16.5 ± 2.0 †"
    assert "majority" not in "".join(note for note in table.notes if note.startswith("†"))
    # The file has the official metrics that people are not shown, too.
    metrics = table.data[table.data["task"] == "STS-B"]["metric"]
    assert set(metrics) == {"spearman", "pearson"}


def test_a_seed_that_lacks_a_task_has_no_average(texts, tmp_path):
    root = tmp_path / "pocket"
    (root / "cka").mkdir(parents=True)
    for name in ("config.json", "cka/speed.csv"):
        shutil.copy(texts.root / name, root / name)
    lines = (texts.root / "cka" / "scores.csv").read_text().splitlines()
    kept = [line for line in lines if not re.match("student,BERT CKA,BERT-BERT_2x32,2,RTE,", line)]
    assert len(kept) == len(lines) - 2
    (root / "cka" / "scores.csv").write_text("\n".join(kept) + "\n")
    row = cells(glue(Results(root, "cka")), "BERT CKA", "BERT-BERT_2x32")
    assert row["RTE acc."] == "42.0 ± 2.8"
    assert row["Average"] == "46.0 ± 2.8"  # of seeds 1 and 3
    assert row["Seeds"] == "3"


def test_metrics_say_how_they_are_computed(texts):
    signature = score_texts("translation", {"a": "b"}, {"a": ["c"]}).signatures["bleu"]
    assert signature.startswith("nrefs:1|case:mixed") and any(
        signature in note for note in translation(texts).notes
    )
    assert any("stemmer:yes" in note for note in summarisation(texts).notes)


def test_what_the_paper_keeps_to_itself_is_visibly_empty(texts):
    table = summarisation(texts)
    row = cells(table, "BART CKA", "BART-BART_1x32")
    assert row["XSum R-2, paper"] == UNKNOWN
    assert cells(table, "copy", "")["XSum R-2, paper"] == ""  # nothing that the paper would have
    assert table.data["paper"].eq("").all()
    assert any("not public" in note for note in table.notes)
    assert re.search(r"BART CKA +\|.*\| +– \| +– \|$", markdown(table), re.M)
    assert re.search(r"BART CKA & .* & -- & -- ", latex(table))


def test_published_scores_are_printed_where_they_are_known(texts, tmp_path):
    published = tmp_path / "paper"
    shutil.copytree(PUBLISHED / "cka", published / "cka")
    file = published / "cka" / "scores.csv"
    head = file.read_text()
    file.write_text(head + "1x32,BART CKA,XSum,rouge2,17.25\nteacher,BART,XSum,rouge2,22.10\n")
    table = summarisation(Results(texts.root, "cka", published))
    assert cells(table, "BART CKA", "BART-BART_1x32")["XSum R-2, paper"] == "17.25"
    assert cells(table, "BART", "BART")["XSum R-2, paper"] == "22.10"
    assert cells(table, "BART CKA", "BART-BART_2x32")["XSum R-2, paper"] == UNKNOWN
    file.write_text(file.read_text() + "teacher,BART,XSum,rouge2,1\n")
    with pytest.raises(InputError, match=r"scores.csv:4: a second value for teacher, BART, XSum, rouge2"):
        published_scores(Results(texts.root, "cka", published))
    file.write_text("student,method\n")
    with pytest.raises(InputError, match=r"scores.csv:1: column 'task' is missing"):
        published_scores(Results(texts.root, "cka", published))


def test_a_kind_without_sets_says_so(texts, tmp_path):
    config = texts.config.model_copy(deep=True)
    del config.cka.tracks["mbart"]
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    table = translation(Results(texts.root, "cka", settings=path))
    assert table.lines == () and table.notes == ("This scale has no translation sets.",)
