import pytest

from retort.data.superglue.tasks import TASKS
from retort.errors import InputError
from retort.reporting.scores import COLUMNS, averages, metric_summary, read_scores, select

GOOD = "student,KD,T1-S1,1,RTE,accuracy,paper,51.5,S1.task.x"


def write(path, *lines):
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def test_average_takes_paired_metrics_first_then_tasks(tmp_path):
    lines = [
        f"student,KD,T1-S1,1,{task},accuracy,paper,40,s" for task in ("BoolQ", "COPA", "RTE", "WiC", "WSC")
    ]
    lines += ["student,KD,T1-S1,1,CB,accuracy,paper,80,s", "student,KD,T1-S1,1,CB,f1,paper,60,s"]
    lines += ["student,KD,T1-S1,1,MultiRC,f1a,paper,50,s", "student,KD,T1-S1,1,MultiRC,em,paper,10,s"]
    lines += ["student,KD,T1-S1,1,ReCoRD,f1,paper,22,s", "student,KD,T1-S1,1,ReCoRD,em,paper,18,s"]
    found = averages(read_scores(write(tmp_path / "s.csv", *lines)), TASKS)
    assert found.by_seed == {"1": pytest.approx((5 * 40 + 70 + 30 + 20) / 8)}


def test_a_seed_without_all_metrics_is_left_out_and_named(tmp_path):
    lines = [
        "student,KD,T1-S1,1,RTE,accuracy,paper,50,s",
        "student,KD,T1-S1,1,CB,accuracy,paper,50,s",
        "student,KD,T1-S1,1,CB,f1,paper,70,s",
        "student,KD,T1-S1,2,RTE,accuracy,paper,60,s",
        "student,KD,T1-S1,2,CB,accuracy,paper,50,s",
    ]
    scores = read_scores(write(tmp_path / "s.csv", *lines))
    found = averages(scores, ("RTE", "CB"))
    assert found.by_seed == {"1": 55.0}
    assert found.missing == {"2": ("CB",)}
    assert found.summary.sd is None
    assert metric_summary(scores, "RTE", "accuracy").n == 2


def test_select_wants_all_fields_equal(tmp_path):
    scores = read_scores(write(tmp_path / "s.csv", GOOD, GOOD.replace(",1,", ",2,")))
    assert select(scores, method="KD", seed="2")["value"].tolist() == [51.5]
    assert select(scores, method="PD").empty


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD.replace("student", "pupil"), "role 'pupil'"),
        (GOOD.replace("RTE", "RTX"), "no metric 'accuracy' of task 'RTX'"),
        (GOOD.replace("accuracy", "f1"), "no metric 'f1' of task 'RTE'"),
        (GOOD.replace("paper", "papers"), "protocol 'papers'"),
        (GOOD.replace("51.5", "101"), "value '101'"),
        (GOOD.replace("51.5", "nan"), "value 'nan'"),
        (GOOD.replace("51.5", ""), "value ''"),
        (GOOD, "repeats an earlier row"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, line, says):
    path = write(tmp_path / "s.csv", GOOD, line)
    with pytest.raises(InputError, match=f"s.csv:3: .*{says}"):
        read_scores(path)


def test_a_missing_file_or_column_is_said(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_scores(tmp_path / "none.csv")
    (tmp_path / "s.csv").write_text("role,method\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'pair' is missing"):
        read_scores(tmp_path / "s.csv")
    (tmp_path / "e.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="no table .No columns"):
        read_scores(tmp_path / "e.csv")


def test_where_runs_are_not_named_they_are_called_after_their_task(results_root):
    path = results_root / "glmd" / "scores.csv"
    found = read_scores(path)
    assert (found["run"] == found["task"].where(found["stage"] != "", "")).all()
    text = path.read_text().splitlines()
    named = [f"{text[0]},run", *(f"{line},{'RTE@16-1e-05' if ',RTE,' in line else ''}" for line in text[1:])]
    path.write_text("\n".join(named) + "\n")
    found = read_scores(path)
    assert set(found[found["task"] == "RTE"]["run"]) == {"RTE@16-1e-05"}
