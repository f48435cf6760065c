import pandas as pd

from retort.config import load
from retort.files import write_text
from retort.reporting.results import Results
from retort.reporting.table9 import table9


def find(data, **fields):
    for name, value in fields.items():
        data = data[data[name] == value]
    return data


def test_wide_form_has_the_papers_columns_and_both_sources(results_root):
    results = Results(results_root)
    data = table9(results).data
    printed = results.published_table("table9")
    metrics = [name for name in printed.columns if name.split("_")[-1] in ("f1", "em", "acc", "f1a")]
    assert list(data.columns[6:]) == [*metrics, "average"]
    assert len(find(data, source="paper")) == len(printed)
    glmd = find(data, source="paper", method="GLMD", pair="T1-S1").iloc[0]
    assert (glmd["cb_f1"], glmd["average"], glmd["student_params"]) == (91.99, 67.39, "16M")
    ours = find(data, source="ours", method="GLMD", pair="T1-S1")
    assert dict(zip(ours["statistic"], ours["multirc_em"], strict=True)) == {
        "mean": 82.0,
        "sd": 1.0,
        "n": 3.0,
    }


def test_the_papers_teachers_meet_ours(results_root):
    lines = [line for line in table9(Results(results_root)).lines if line.cells[0].text == "GLM"]
    assert [line.cells[2].text for line in lines if line.cells[1].text == "T1"] == ["ours", "paper"]


def test_what_the_paper_leaves_out_stays_empty(results_root):
    data = table9(Results(results_root)).data
    assert pd.isna(find(data, source="paper", method="TinyBERT", pair="T3-S3").iloc[0]["record_f1"])


def test_cells_are_marked_by_metric_and_lead_to_cards(results_root):
    lines = table9(Results(results_root)).lines
    kd = next(line for line in lines if line.cells[0].text == "KD")
    assert all("†" in cell.text for cell in kd.cells[3:])
    teacher = next(line for line in lines if line.cells[0].text == "GLM")
    record = teacher.cells[3]
    assert "†" not in record.text
    assert record.link == "#run-glm-1234-record"
    assert kd.cells[3].link == "#run-kd-t1-s1-record"  # three seeds


def test_only_the_tasks_of_the_scale_have_columns(results_root):
    config = load("pocket", {"tasks": ["RTE", "CB"], "gates": {"zero_shot": {}, "fine_tuned_average": None}})
    write_text(results_root / "config.json", config.model_dump_json())
    table = table9(Results(results_root))
    assert [column.title for column in table.columns[3:]] == ["RTE", "CB F1", "CB acc", "Average"]
    assert any("mean over 2 tasks only" in note for note in table.notes)
