"""Figure 6."""

import pytest
from prompt_runs import ALPHAS, SEEDS

from retort.reporting.atkd import landscape
from retort.reporting.atkd.look import line_of
from retort.reporting.results import LANDSCAPE

LARGEST = "OPT_4x64-OPT_1x32"


@pytest.fixture
def data(prompts):
    return landscape.slices(prompts)


def test_a_rise_is_over_the_student_itself_on_the_same_slice(data):
    assert tuple(data.columns) == (*LANDSCAPE, "rise")
    pairs, methods, directions = 2, 4, 2
    assert len(data) == pairs * methods * directions * len(ALPHAS) * len(SEEDS)
    assert (data.loc[data["alpha"] == 0, "rise"] == 0).all()
    assert (data["rise"] - (data["loss"] - 1.5)).abs().max() < 1e-6
    one = data[(data["method"] == "GKD") & (data["seed"] == "2") & (data["pair"] == LARGEST)]
    one = one[(one["direction"] == 1) & (one["alpha"] == -0.4)]
    assert one["rise"].tolist() == [pytest.approx(2 * 2.2 * 0.16)]


def test_a_panel_for_each_pair_with_means_over_slices(data):
    figure = landscape.figure(data)
    assert [axis.get_title() for axis in figure.axes] == [LARGEST, "Py_2x64-Py_1x32"]
    thick = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    thin = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert len(thin) == 4 * 2 * len(SEEDS) and len(thick) == 4
    methods = ("Supervised KD", "Supervised KD + ATKD", "GKD", "GKD + ATKD")
    for method, line in zip(methods, thick, strict=True):
        steep = (2.0 if "ATKD" not in method else 1.0) + 0.2
        assert line.get_ydata() == pytest.approx([1.5 * steep * alpha**2 for alpha in ALPHAS], abs=1e-6)
        assert (line.get_linestyle(), line.get_color()) == (line_of(method)["ls"], line_of(method)["color"])
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == list(methods)


def test_nothing_was_cut_through(data):
    assert landscape.figure(data[:0]).axes == [] and landscape.caption(data[:0]) == landscape.NOTHING
    assert "2 random directions of 3 training seeds" in landscape.caption(data)
