import pandas as pd
import pytest

from retort.config import load
from retort.files import write_text
from retort.reporting.results import Results
from retort.reporting.rows import UNPUBLISHED, published_rows, section_of
from retort.reporting.table3 import COLUMNS, table3
from retort.reporting.tables import markdown


def change(root, edit):
    path = root / "glmd" / "scores.csv"
    edit(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


def row_of(table, method, pair):
    data = table.data
    found = data[(data["method"] == method) & (data["pair"] == pair)]
    assert len(found) == 1
    return found.iloc[0]


def test_long_format_holds_ours_and_every_published_row(results_root):
    results = Results(results_root)
    table = table3(results)
    assert tuple(table.data.columns) == COLUMNS
    glmd = row_of(table, "GLMD", "T1-S1")
    assert (glmd["mean"], glmd["sd"], glmd["n"], glmd["paper"]) == (82.0, 1.0, 3, 67.4)
    assert glmd["section"] == "single_teacher"
    assert glmd["student_params"] < row_of(table, "GLMD-vc", "T1-S1")["student_params"]
    keys = set(zip(table.data["method"], table.data["pair"], strict=True))
    assert set(published_rows(results)) <= keys
    assert len(keys) == len(table.data)


def test_baseline_and_teachers_have_their_sections(results_root):
    table = table3(Results(results_root))
    first = table.data.iloc[0]
    assert (first["section"], first["method"], first["mean"]) == ("baseline", "majority", 45.0)
    assert pd.isna(first["paper"])
    teacher = row_of(table, "GLM", "T1")
    assert (teacher["section"], teacher["n"], teacher["paper"]) == ("fine_tuned_teacher", 1, 71.7)
    assert pd.isna(teacher["sd"])
    assert any("One run only, hence without spread: GLM T1." in note for note in table.notes)


def test_what_this_scale_does_not_run_stays_empty_and_says_so(results_root):
    table = table3(Results(results_root))
    absent = row_of(table, "MiniLM", "T2-S2")
    assert absent["n"] == 0
    assert pd.isna(absent["mean"])
    assert pd.isna(absent["student_params"])
    assert absent["paper"] == 62.4
    line = next(
        text for text in markdown(table).splitlines() if text.startswith("| MiniLM ") and "T2-S2" in text
    )
    assert "not run at this scale" in line


def test_scores_near_the_baseline_are_marked(results_root):
    table = table3(Results(results_root))
    marked = [line.cells[0].text for line in table.lines if "†" in line.cells[3].text]
    assert marked == ["KD"]
    assert any(note.startswith("† near the majority baseline (45.0)") for note in table.notes)
    change(results_root, lambda scores: scores[scores["method"] != "KD"])
    assert any("no score here is near it" in note for note in table3(Results(results_root)).notes)


def test_incomplete_seeds_are_left_out_and_named(results_root):
    def drop(scores):
        gone = (scores["method"] == "PD") & (scores["seed"] == "2") & (scores["task"] == "RTE")
        return scores[~gone & (scores["method"] != "KD")]

    change(results_root, drop)
    table = table3(Results(results_root))
    pd_row = row_of(table, "PD", "T1-S1")
    assert (pd_row["n"], pd_row["mean"]) == (2, 60.0)
    assert "PD T1-S1, seed 2 is left out: no RTE." in table.notes
    assert row_of(table, "KD", "T1-S1")["n"] == 0  # configured, but nobody ran it
    assert next(line for line in table.lines if line.cells[0].text == "KD").cells[3].text == "missing"


def test_a_single_seed_has_no_spread(results_root):
    config = load("pocket", {"seeds": [1]})
    write_text(results_root / "config.json", config.model_dump_json())
    change(results_root, lambda scores: scores[scores["seed"].isin(["", "1", "1234"])])
    table = table3(Results(results_root))
    assert table.data["sd"].isna().all()
    assert any("single seed has no spread" in note for note in table.notes)


def test_held_out_scores_get_their_own_table_and_column(results_root):
    results = Results(results_root)
    held_out = table3(results, "held_out")
    assert held_out.name == "table3_held_out"
    assert row_of(held_out, "TinyBERT", "T1-S1")["mean"] == 79.0
    assert [column.title for column in table3(results).columns][4] == "Held out"
    change(results_root, lambda scores: scores[scores["protocol"] == "paper"])
    assert "Held out" not in [column.title for column in table3(Results(results_root)).columns]


def test_sections_come_from_the_paper(results_root):
    published = published_rows(Results(results_root))
    assert section_of("TinyBERT", "T3-S3", "student", published) == "single_teacher_10b"
    assert section_of("TinyBERT", "T9-S9", "student", published) == "single_teacher"
    assert section_of("TMKD", "(T1,T2)-S1", "student", published) == "multi_teacher"
    assert section_of("GLM", "T9", "teacher", published) == "fine_tuned_teacher"
    assert section_of("Mine", "T1-S1", "student", published) == UNPUBLISHED


def test_an_unpublished_method_is_listed_without_a_paper_value(results_root):
    def rename(scores):
        return scores.assign(method=scores["method"].replace("PD", "Mine"))

    change(results_root, rename)
    table = table3(Results(results_root))
    mine = row_of(table, "Mine", "T1-S1")
    assert (mine["section"], mine["mean"]) == (UNPUBLISHED, 60.0)
    assert pd.isna(mine["paper"])


@pytest.mark.parametrize("method", ["GLM", "KD"])
def test_scores_lead_to_the_runs_behind_them(results_root, method):
    line = next(line for line in table3(Results(results_root)).lines if line.cells[0].text == method)
    assert line.cells[3].link == ("#run-glm-t1" if method == "GLM" else "#run-kd-t1-s1")
