"""What the figures of the paper on causal models are drawn from, and that what is drawn is that."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from prompt_runs import SEEDS, TEACHERS, unsure

from retort.files import write_json
from retort.reporting.atkd import curves, sweeps, teacher_size, uncertainty
from retort.reporting.atkd.rows import family_rows
from retort.reporting.atkd.runs import parameters_of, short
from retort.reporting.exhibits import exhibits_of, write_figure
from retort.reporting.validation import losses


def test_students_by_the_size_of_their_teacher(prompts):
    data = teacher_size.scores(prompts)
    assert tuple(data.columns) == teacher_size.COLUMNS
    plain = data[(data["method"] == "Supervised KD") & (data["family"] == "OPT")]
    means = plain.groupby("teacher")["score"].mean().to_dict()
    assert means == {"OPT_4x64": 16.0, "OPT_3x64": 20.0, "OPT_2x64": 24.0}
    assert dict(zip(plain["teacher"], plain["teacher_score"], strict=True))["OPT_2x64"] == 46.0
    figure = teacher_size.figure(data)
    (axis,) = figure.axes
    lines = {tuple(line.get_ydata()) for line in axis.lines if line.get_linestyle() != "None"}
    assert lines == {(24.0, 20.0, 16.0), (18.0, 20.0, 22.0)}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["249K", "299K", "349K"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["Supervised KD", "Supervised KD + ATKD"]


def test_one_teacher_is_no_ladder(prompts):
    data = teacher_size.scores(prompts)
    assert set(teacher_size.ladders(data)["method"]) == {"Supervised KD", "Supervised KD + ATKD"}
    alone = data[data["family"] == "Pythia"]
    assert teacher_size.figure(alone).axes == [] and teacher_size.caption(alone) == teacher_size.NOTHING
    assert teacher_size.figure(data[:0]).axes == []


def test_uncertainty_is_that_of_the_reported_teacher(prompts):
    data = uncertainty.shares(prompts)
    own = data[data["teacher"] == "OPT_4x64"]
    assert own["share"].tolist() == pytest.approx(list(unsure(4).values()))
    assert (own["lower"].iloc[0], own["upper"].iloc[0], own["upper"].iloc[-1]) == (0.0, 0.05, 1.0)
    assert own["share"].sum() == pytest.approx(1)
    means = [uncertainty.mean(data[data["teacher"] == teacher]) for teacher in TEACHERS["opt"]]
    assert means == sorted(means)  # the largest first, and surest
    figure = uncertainty.figure(data)
    assert [axis.get_title() for axis in figure.axes] == ["OPT", "Pythia"]
    labels = [text.get_text() for text in figure.axes[0].get_legend().texts]
    assert [label.partition(" ")[0] for label in labels] == ["OPT_2x64", "OPT_3x64", "OPT_4x64"]
    drawn = figure.axes[0].patches[-1].get_data()
    assert drawn.values.sum() * 0.05 == pytest.approx(1)  # a density


def test_bins_are_read_in_order_whatever_else_was_recorded():
    found = uncertainty.bins({"clm": 2.0, "uncertainty:0.5": 0.25, "dolly:ends": 9.0, "uncertainty:0": 0.75})
    assert found == [(0.0, 0.5, 0.75), (0.5, 1.0, 0.25)]
    assert uncertainty.bins({"clm": 2.0}) == []


def test_sweeps_hold_the_value_that_atkd_has(prompts):
    data = sweeps.scores(prompts)
    shares = data[data["setting"] == "k"].groupby("value")["score"].mean().to_dict()
    weights = data[data["setting"] == "lambda"].groupby("value")["score"].mean().to_dict()
    assert shares == {30.0: 20.0, 50.0: 22.0, 70.0: 18.0}
    assert weights == {0.2: 22.0, 0.9: 15.0}
    assert len(data) == len(SEEDS) * 5 and set(data["pair"]) == {"OPT_4x64-OPT_1x32"}
    left, right = sweeps.figure(data).axes
    assert [line.get_xdata() for line in left.lines][-1] == [50.0, 50.0]
    assert right.get_xlabel() == "weight of easy words"


def test_a_sweep_that_did_not_run_says_so(prompts):
    data = sweeps.scores(prompts)
    left, right = sweeps.figure(data[data["setting"] == "lambda"]).axes
    assert [text.get_text() for text in left.texts] == ["not run at this scale"] and not right.texts
    assert sweeps.figure(data[:0]).axes == [] and sweeps.caption(data[:0]) == sweeps.NOTHING


def test_curves_show_each_student_with_its_main_teacher(prompts):
    data = losses(prompts)
    assert curves.main_pairs(data) == ["OPT_4x64-OPT_1x32", "Py_2x64-Py_1x32"]
    one = data[(data["method"] == "GKD") & (data["pair"] == "Py_2x64-Py_1x32") & (data["seed"] == "1")]
    assert one["epoch"].tolist() == [0.0, 1.0, 2.0]
    assert one["kl"].tolist() == pytest.approx([20 / 22, 10 / 22, 20 / 66])
    figure = curves.curves(data)
    assert [len(axis.lines) for axis in figure.axes] == [6, 6, 5, 5]  # SFT has no teacher
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "SFT", "Supervised KD", "GKD", "Supervised KD + ATKD", "GKD + ATKD", "Skew KL",
    ]  # fmt: skip
    assert curves.curves(data[:0]).axes == [] and curves.caption(data[:0]) == curves.NOTHING


def test_parameters_are_those_that_published_models_have(prompts, tmp_path):
    """At the size of a published model, its published number, by the words of the run."""
    (row,) = (row for row in family_rows(prompts, "gpt_neox") if row.role == "teacher")
    size = {"encoder_layers": 0, "decoder_layers": 6, "width": 512, "heads": 8, "inner": 2048}
    track = prompts.tracks["gpt_neox"]
    model = track.models[row.pair].model_copy(update=size | {"positions": 2048, "tied": False})
    write_json(tmp_path / "config.json", {"vocab_size": 50304})
    known = track.model_copy(update={"models": {row.pair: model}})
    results = SimpleNamespace(tracks={"gpt_neox": known}, run=lambda stage, run: tmp_path)
    assert parameters_of(replace(row, results=results)) == 70_426_624  # Pythia-70M


@pytest.mark.parametrize(("count", "text"), [(1_315_758_080, "1.32B"), (125e6, "125M"), (249_216, "249K")])
def test_sizes_in_short(count, text):
    assert short(count) == text


@pytest.mark.parametrize("name", exhibits_of("atkd").figures)
def test_figures_are_the_same_bytes_when_drawn_again(prompts, name, tmp_path):
    first, again = (write_figure(prompts, name, tmp_path / side) for side in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
