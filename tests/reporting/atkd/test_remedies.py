"""Figure 5c as a table."""

import csv

import pytest
from prompt_runs import LEVELS, SETS

from retort.recipes.atkd import ADAPTIVE, ASSISTED, DECOUPLED, EARLY_STOPPED, METHODS, SUPERVISED
from retort.reporting.atkd.remedies import COLUMNS, NOTHING, remedies
from retort.reporting.results import Results

ENDS = ("OPT_4x64", "OPT_1x32")
PLAIN = "-".join(ENDS)
THROUGH = "OPT_4x64-OPT_2x64-OPT_1x32"
MORE = {DECOUPLED.name: (PLAIN, 2.0), EARLY_STOPPED.name: (PLAIN, -1.0), ASSISTED.name: (THROUGH, 3.0)}
"""Pair, and points above supervised KD."""


@pytest.fixture
def run(prompts, tmp_path):
    """The made-up run with the other remedies, so many points above supervised KD, one without a seed."""
    with (prompts.root / "atkd" / "scores.csv").open(newline="") as stream:
        head, *lines = csv.reader(stream)
    plain = [dict(zip(head, line, strict=True)) for line in lines]
    plain = [line for line in plain if (line["method"], line["pair"]) == (SUPERVISED.name, PLAIN)]
    for method, (pair, more) in MORE.items():
        for line in plain:
            if method != EARLY_STOPPED.name or line["seed"] != "2":
                changed = {"method": method, "pair": pair, "value": str(float(line["value"]) + more)}
                lines.append(list((line | changed).values()))
    (tmp_path / "atkd").mkdir()
    with (tmp_path / "atkd" / "scores.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *lines])
    return Results(tmp_path, "atkd", settings=prompts.config_file)


def test_every_remedy_beside_supervised_kd_and_atkd(run):
    table = remedies(run)
    data = table.data.set_index("method")
    assert tuple(table.data.columns) == COLUMNS
    assert list(data.index) == [SUPERVISED.name, ADAPTIVE[0].name, *MORE]
    assert list(data["pair"]) == [PLAIN, PLAIN, PLAIN, PLAIN, THROUGH]
    assert {(row["teacher"], row["student"]) for row in table.data.to_dict("records")} == {ENDS}
    added = LEVELS[ADAPTIVE[0].name] - LEVELS[SUPERVISED.name]
    for method, (_, more) in MORE.items():
        row = data.loc[method]
        seeds = 2 if method == EARLY_STOPPED.name else 3
        assert (row["gain"], row["gain_n"], row["n"]) == (more, seeds, seeds)
        assert row["atkd_better_by"] == added - more
    assert data.loc[ADAPTIVE[0].name, "gain"] == added == data.loc[SUPERVISED.name, "atkd_better_by"]
    assert data.loc[SUPERVISED.name, ["gain", "gain_sd"]].isna().all()
    assert data.loc[ADAPTIVE[0].name, ["atkd_better_by", "atkd_better_by_sd"]].isna().all()


def test_what_is_shown(run):
    shown = [[cell.shown for cell in line.cells] for line in remedies(run).lines]
    lowest = LEVELS[SUPERVISED.name] - 4.0 * (len(SETS["opt"]) - 1) / 2
    assert shown[0] == [SUPERVISED.name, PLAIN, f"{lowest:.1f} ± 2.0", "", "+6.0 ± 0.0", "3"]
    assert shown[-1][1] == THROUGH and shown[-1][3:5] == ["+3.0 ± 0.0", "+3.0 ± 0.0"]
    assert {line.group for line in remedies(run).lines} == {"OPT: OPT_4x64 teaches OPT_1x32"}


def test_a_run_without_other_remedies_says_so(prompts):
    table = remedies(prompts)
    assert (table.lines, table.notes, len(table.data)) == ((), (NOTHING,), 0)


def test_all_remedies_are_rows_of_the_paper():
    assert {*MORE} <= {method.name for method in METHODS}
