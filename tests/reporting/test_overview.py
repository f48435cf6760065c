"""The overview: every run a dot, every mean a ring, the paper's score in the same line."""

from __future__ import annotations

import pytest

from retort.reporting import overview
from retort.reporting.results import Results


@pytest.fixture
def data(results_root):
    return overview.scores(Results(results_root))


def points(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_dots_rings_and_diamonds_share_their_lines(data):
    ours, paper = overview.overview(data).axes
    labels = [text.get_text() for text in ours.get_yticklabels()]
    assert labels == ["KD  T1-S1", "PD  T1-S1", "TinyBERT  T1-S1", "GLMD-vc  T1-S1", "GLMD  T1-S1"]
    dots, rings, diamonds = points(ours, "."), points(ours, "o"), points(paper, "D")
    # KD scores 45, 46 and 47 with its three seeds; the paper prints 52.0.
    assert sorted(dots[0].get_xdata()) == [45, 46, 47]
    assert (rings[0].get_xdata()[0], diamonds[0].get_xdata()[0]) == (46, 52.0)
    assert [d.get_ydata()[0] for d in diamonds] == list(range(5))


def test_the_paper_s_own_methods_have_their_colour(data):
    ours, _ = overview.overview(data).axes
    colours = [line.get_color() for line in points(ours, "o")]
    assert colours[:3] == [colours[0]] * 3 and colours[3] == colours[4] != colours[0]


def test_the_caption_tells_how_the_orders_agree(results_root, data):
    # Ours: KD < PD < TinyBERT < GLMD < GLMD-vc; the paper's T1-S1 column has the very same order.
    assert overview.rank_correlation(data) == (pytest.approx(1.0), 5)
    text = overview.caption(Results(results_root), data)
    assert "over 5 rows: 1.00." in text and "3 training seeds" in text and "baseline has 45.0" in text


def test_nothing_run_says_so(data):
    empty = data[data["section"].isin(["baseline", "fine_tuned_teacher"])]
    assert not overview.overview(empty).axes
    assert overview.rank_correlation(empty) is None
