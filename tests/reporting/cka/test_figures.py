"""What the figures are drawn from, and that what is drawn is that."""

import math

import pandas as pd
import pytest
from scipy.stats import spearmanr, t

from retort.recipes import cka
from retort.reporting import distances as logs
from retort.reporting.cka import by_size, curves, distances, overview
from retort.reporting.cka.look import looks
from retort.reporting.exhibits import exhibits_of, write_figure
from retort.reporting.validation import COLUMNS, losses


def test_curves_hold_every_evaluation_by_epoch(texts):
    data = losses(texts)
    assert tuple(data.columns) == COLUMNS
    one = data[
        (data["method"] == "BART linear") & (data["pair"] == "BART-BART_1x32") & (data["task"] == "XSum")
    ]
    assert one[one["seed"] == "1"]["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert one[one["seed"] == "1"]["kl"].tolist() == pytest.approx([1.5 / (1 + n) for n in range(5)])
    assert set(data["task"]) == {"XSum", "CNN-DM", "WMT16-en-ro"}  # classes have no words to write


def test_curves_show_the_student_that_most_methods_train(texts):
    data = losses(texts)
    figure = curves.curves(data)
    titles = [axis.get_title().split("\n")[1] for axis in figure.axes[:3]]
    assert sorted(set(titles)) == ["BART-BART_1x32", "mBART-mBART_2_1x32"]
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["BART CKA", "BART linear", "BART none", "BART CKA C4"]
    assert curves.curves(data[:0]).axes == [] and curves.caption(data[:0]) == curves.NOTHING


def test_scores_by_size_with_their_intervals(texts):
    data = by_size.scores(texts)
    part = data[(data["method"] == "BART CKA") & (data["task"] == "XSum")]
    assert part.groupby("parameters")["score"].mean().to_dict() == {64000: 30.0, 128000: 35.0}
    half = by_size.half_interval([28.0, 30.0, 32.0])
    assert half == pytest.approx(t.ppf(0.975, 2) * 2 / math.sqrt(3))
    assert by_size.half_interval([28.0, 30.0]) is None
    figure = by_size.by_size(data)
    assert [axis.get_title() for axis in figure.axes] == [
        "CNN-DM",
        "XSum",
        "WMT16-en-ro",
        "CoLA",
        "STS-B",
        "RTE",
    ]
    # The bar of the first method on its first size.
    (low, high) = figure.axes[1].collections[0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((30 - half, 30 + half))
    assert by_size.by_size(data[data["role"] != "student"]).axes == []
    other = data[(data["track"] == "bart") & (data["task"] == "XSum")].assign(track="t5")
    titles = [axis.get_title() for axis in by_size.by_size(pd.concat([data, other])).axes]
    assert [title for title in titles if title.startswith("XSum")] == ["XSum (bart)", "XSum (t5)"]


def test_the_overview_is_in_percent_of_the_own_teacher(texts):
    data = overview.scores(texts)
    row = data[
        (data["method"] == "BART CKA") & (data["pair"] == "BART-BART_1x32") & (data["seed"] == "2")
    ].iloc[0]
    assert (row["score"], row["teacher"], row["baseline"]) == (28.0, 58.0, 20.0)
    assert row["share"] == pytest.approx(100 * 28 / 58, abs=1e-3)
    figure = overview.overview(data)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["BART", "mBART", "BERT"]
    assert figure.axes[2].get_yticklabels()[0].get_text() == "BERT CKA  BERT_2x32"


def test_distances_are_correlated_with_the_loss_place_by_place(texts):
    data = distances.correlations(texts)
    assert tuple(data.columns) == ("method", "pair", "task", *logs.COLUMNS[2:])
    own = data[(data["method"] == "BART CKA C4") & (data["pair"] == "BART-BART_1x32")]
    assert set(own["task"]) == {"corpus", "XSum", "CNN-DM"}
    cell = own[(own["task"] == "corpus") & (own["site"] == "encoder") & (own["distance"] == "cka")]
    (stage,) = {
        s for s, m in zip(texts.scores["stage"], texts.scores["seed"], strict=True) if m == "1"
    } & set(
        texts.scores[(texts.scores["method"] == "BART CKA C4") & (texts.scores["pair"] == "BART-BART_1x32")][
            "stage"
        ]
    )
    lines = logs.read_log(logs.pretraining_log(texts, stage))
    expected = spearmanr(
        [line["loss"] for line in lines], [line["cka:encoder:1"] for line in lines]
    ).statistic
    assert cell[cell["layer"] == 1]["rho"].iloc[0] == pytest.approx(expected)
    assert set(distances.drawn(data)[["method", "task"]].itertuples(index=False, name=None)) >= {
        ("BART CKA C4", "corpus"),
        ("BART CKA", "XSum"),
    }


def test_the_list_of_methods_that_begin_on_a_corpus_is_the_recipes():
    begin = [method.name for method in cka.METHODS if method.steps[0].phase == "pretraining"]
    assert sorted(begin) == sorted(distances.METHODS)


def test_methods_that_match_alike_share_a_colour_and_nothing_else():
    found = looks(["BART CKA", "BART linear", "BART CKA C4", "BERT CKA", "BART labels"])
    assert found["BART CKA"].colour == found["BART CKA C4"].colour == found["BERT CKA"].colour
    assert found["BART CKA"].line != found["BART CKA C4"].line
    assert found["BERT CKA"].line == found["BART CKA"].line  # families have panels of their own
    assert len({look.colour for look in found.values()}) == 3


@pytest.mark.parametrize("name", exhibits_of("cka").figures)
def test_a_figure_is_the_same_bytes_when_drawn_again(texts, both_pages, tmp_path, name):
    drawn = texts.root / "cka" / "figures"
    for path in write_figure(texts, name, tmp_path):
        assert path.read_bytes() == (drawn / path.name).read_bytes()
