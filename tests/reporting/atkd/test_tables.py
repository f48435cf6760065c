"""The tables of the paper on causal models."""

import json
import shutil

import pandas as pd
import pytest
from prompt_runs import LEVELS, ON_LADDERS, TEACHERS

from retort.recipes import atkd
from retort.reporting.atkd.answers import answers
from retort.reporting.atkd.main_table import main_table, main_table_held_out
from retort.reporting.atkd.methods import methods
from retort.reporting.atkd.parts import NOT_RUN, NOTHING, PLACES, parts
from retort.reporting.atkd.rows import PLAIN
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import PUBLISHED, Results
from retort.reporting.tables import UNKNOWN

LARGEST = "OPT_4x64-OPT_1x32"


def rows(table):
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, [cell.shown for cell in line.cells], strict=True)) for line in table.lines]


def of(table, **fields):
    """The one line of the data with these fields."""
    data = table.data
    for name, value in fields.items():
        data = data[data[name] == value]
    (found,) = data.to_dict("records")
    return found


def test_scores_by_set_and_what_atkd_adds(prompts):
    table = main_table(prompts)
    row = of(table, method="Supervised KD + ATKD", pair=LARGEST)
    assert (row["dolly"], row["vicuna"], row["bbh"], row["mean"]) == (26.0, 22.0, 18.0, 22.0)
    assert (row["gain"], row["gain_sd"], row["gain_n"], row["n"]) == (6.0, 0.0, 3, 3)
    shown = [line for line in rows(table) if line["Pair"] == LARGEST]
    assert [line["Gain"] for line in shown] == ["", "", "+6.0 ± 0.0", "", "+1.0 ± 0.0", ""]
    assert shown[2]["dolly"] == "26.0 ± 2.0" and shown[2]["Average"] == "22.0 ± 2.0"


def test_a_gain_is_over_the_seeds_that_both_have(prompts, tmp_path):
    root = tmp_path / "atkd"
    root.mkdir()
    text = (prompts.root / "atkd" / "scores.csv").read_text().splitlines()
    lost = f"student,Supervised KD,{LARGEST},1,instructions,dolly"
    root.joinpath("scores.csv").write_text("\n".join(line for line in text if not line.startswith(lost)))
    table = main_table(Results(tmp_path, "atkd", settings=prompts.config_file))
    row, plain = (of(table, method=name, pair=LARGEST) for name in ("Supervised KD + ATKD", "Supervised KD"))
    assert (row["n"], row["gain_n"], plain["n"]) == (3, 2, 2)
    assert row["gain"] == 6.0 and plain["mean"] == 17.0
    assert f"Supervised KD {LARGEST}, seed 1 is left out: some sets are missing." in table.notes


def test_families_stand_in_one_table_each_with_its_sets(prompts):
    table = main_table(prompts)
    groups = list(dict.fromkeys(line.group for line in table.lines))
    assert groups == [
        "OPT: teachers",
        *(f"OPT: {teacher} teaches OPT_1x32" for teacher in TEACHERS["opt"]),
        "Pythia: teachers",
        "Pythia: Py_2x64 teaches Py_1x32",
    ]
    pythia = of(table, method="Supervised KD", family="Pythia")
    assert pd.isna(pythia["vicuna"]) and pythia["mean"] == 18.0  # no such set
    held_out = of(main_table_held_out(prompts), method="Supervised KD", family="Pythia")
    assert held_out["mean"] == pythia["mean"] - 1


def test_atkd_follows_what_it_is_put_on_whatever_the_order_of_the_file(prompts):
    asked = prompts.config.atkd.tracks["opt"].methods
    assert list(asked) == list(reversed(LEVELS))
    shown = [line["Method"] for line in rows(main_table(prompts)) if line["Pair"] == LARGEST]
    assert shown == ["SFT", "Supervised KD", "Supervised KD + ATKD", "GKD", "GKD + ATKD", "Skew KL"]
    assert set(PLAIN.values()) < {method.name for method in atkd.BASELINES}


def test_no_score_of_the_paper_is_made_up(prompts):
    table = main_table(prompts)
    assert {line["Average, paper"] for line in rows(table)} == {UNKNOWN}
    assert table.data["paper"].isna().all()
    assert (PUBLISHED / "atkd" / "scores.csv").read_text() == "student,method,task,metric,value\n"


def test_a_printed_score_stands_beside_ours(prompts, tmp_path):
    (tmp_path / "atkd").mkdir()
    head = "student,method,task,metric,value\n"
    line = f"{LARGEST},Supervised KD,instructions,average,41.25\n"
    (tmp_path / "atkd" / "scores.csv").write_text(head + line)
    table = main_table(Results(prompts.root, "atkd", published=tmp_path))
    assert of(table, method="Supervised KD", pair=LARGEST)["paper"] == 41.25
    assert [row["Average, paper"] for row in rows(table)].count(UNKNOWN) == len(table.lines) - 1


def test_words_and_parts_beside_plain_kd(prompts):
    table = parts(prompts)
    assert [line.group for line in table.lines] == [f"OPT: {LARGEST}"] * 3
    every, hard, easy = rows(table)
    assert every["KL"] == "16.0 ± 2.0"
    assert every["target part alone"] == "8.0 ± 2.0 (−8.0 ± 0.0)"
    assert hard["KL"] == "15.0 ± 2.0 (−1.0 ± 0.0)" and easy["target part alone"] == NOT_RUN
    assert hard["both parts, unweighted"] == ""  # the paper has no such cell, nor have we
    assert of(table, method="Supervised KD others")["difference"] == -3.0


def test_every_ablation_of_section_2_has_a_place():
    assert len(set(PLACES.values())) == len(PLACES) == 10


def test_nothing_ran_of_section_2(prompts, tmp_path):
    root = tmp_path / "atkd"
    root.mkdir()
    text = (prompts.root / "atkd" / "scores.csv").read_text().splitlines()
    root.joinpath("scores.csv").write_text("\n".join(line for line in text if not line.startswith("variant")))
    table = parts(Results(tmp_path, "atkd", settings=prompts.config_file))
    assert (table.lines, table.notes) == ((), (NOTHING,))


def test_responses_are_those_of_the_reported_evaluation(prompts):
    row = of(answers(prompts), method="Supervised KD", pair=LARGEST)
    assert row["rougeL"] == 18.0  # dolly and vicuna, not the answers of bbh
    assert (row["ends"], row["length"], row["distinct2"]) == (60.0, 0.75, 0.75)  # the second of three
    assert (row["clm"], row["kl"], row["n"]) == (2.5, 0.5, 3)
    assert row["teacher_nll"] == 2.0  # 3 on dolly, 1 on vicuna
    sft = of(answers(prompts), method="SFT", pair=LARGEST)
    assert pd.isna(sft["kl"]) and pd.isna(sft["teacher_nll"])


def test_what_was_not_recorded_stays_empty(prompts, tmp_path):
    root = tmp_path / "pocket"
    shutil.copytree(prompts.root, root)
    for path in root.glob("stages/*/tasks/instructions/metrics.json"):
        found = json.loads(path.read_text())
        for line in found["evaluations"]:
            line["losses"] = {k: v for k, v in line["losses"].items() if not k.endswith(":ends")}
        path.write_text(json.dumps(found))
    row = of(answers(Results(root, "atkd")), method="GKD", pair=LARGEST)
    assert pd.isna(row["ends"]) and row["length"] == 0.75


def test_methods_say_whose_answers_and_which_words(prompts):
    found = {(line.group, line.cells[0].text): line for line in methods(prompts).lines}
    texts = {place: [cell.text for cell in line.cells] for place, line in found.items()}
    gkd, ours = texts["OPT", "GKD"], texts["OPT", "Supervised KD + ATKD"]
    assert "the student's in 50 % of the updates" in gkd[1] and ours[1] == "the data's own"
    assert "KL of others" in ours[2] and "KL of target + others" in ours[2]
    assert ours[-1] == ", ".join(f"OPT_1x32 of {teacher}" for teacher in TEACHERS["opt"])
    assert ("OPT", "Supervised KD hard") in texts and ("Pythia", "Supervised KD hard") not in texts


def test_switches_are_compared_with_what_was_run(prompts):
    (row,) = quirk_effects(prompts).data.to_dict("records")
    assert (row["method"], row["as_run"], row["switched"], row["n"]) == ("GKD + ATKD", 19.0, 16.0, 3)
    assert row["difference"] == pytest.approx(-3.0)


def test_the_made_up_run_is_one_of_real_recipes():
    assert set(LEVELS) | set(ON_LADDERS) <= {method.name for method in atkd.METHODS}
