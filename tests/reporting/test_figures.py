import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.errors import InputError
from retort.files import write_text
from retort.reporting.exhibits import FIGURES, kept_words, write_figure
from retort.reporting.figure2 import correlate, correlations, figure2, pretraining_log, read_log
from retort.reporting.figure3 import CORPUS, long_tail
from retort.reporting.results import Results


@pytest.mark.parametrize("name", list(FIGURES))
def test_files_are_the_same_bytes_when_drawn_again(results_root, tmp_path, name):
    first = write_figure(Results(results_root), name, tmp_path / "a")
    second = write_figure(Results(results_root), name, tmp_path / "b")
    assert [path.suffix for path in first] == [".png", ".svg", ".csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    svg = first[1].read_text(encoding="utf-8")
    assert "<dc:date>" not in svg
    assert b"Software" not in first[0].read_bytes()


def test_correlations_have_the_signs_of_the_log(results_root):
    data = correlations(Results(results_root))
    assert set(data["method"]) == {"TinyBERT", "GLMD-vc"}  # nobody else logged distances
    one = data[(data["method"] == "GLMD-vc") & (data["seed"] == "1")].set_index(["distance", "site"])
    assert one.loc[("kl", "words"), "rho"] == pytest.approx(1)
    scores = data[(data["site"] == "scores") & (data["seed"] == "1") & (data["method"] == "GLMD-vc")]
    assert scores.set_index("layer")["rho"].to_dict() == {1: pytest.approx(1), 2: pytest.approx(-1)}
    constant = data[(data["site"] == "hidden") & (data["layer"] == 1)]
    assert constant["rho"].isna().all()
    assert (constant["n"] == 30).all()


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=0, max_size=12))
def test_correlation_is_in_range_or_absent(points):
    found = list(correlate([{"loss": loss, "mse:hidden:1": value} for loss, value in points]))
    assert len(found) == (1 if points else 0)
    for record in found:
        assert record["rho"] is None or -1 - 1e-9 <= record["rho"] <= 1 + 1e-9
        assert record["n"] == len(points)


def test_missing_and_infinite_values_are_left_out():
    lines = [{"loss": float(i), "kl:words": 2.0 * i} for i in range(4)]
    lines += [{"loss": math.nan, "kl:words": 1.0}, {"loss": 9.0}]
    (record,) = correlate(lines)
    assert (record["n"], record["layer"]) == (4, None)
    assert record["rho"] == pytest.approx(1)


def test_the_log_of_the_nearest_ancestor_is_found(results_root):
    results = Results(results_root)
    log = pretraining_log(results, "S1.task.GLMD-vc.s1.GLMD-vc-1")
    assert log is not None
    assert log.parent.name == "S1.pre.GLMD-vc.s1.pre-GLMD-vc-s1"
    assert pretraining_log(results, "S1.task.KD.s1.KD-1") is None


def test_a_damaged_log_line_is_named(tmp_path):
    write_text(tmp_path / "distances.jsonl", '{"loss": 1}\n{"los\n')
    with pytest.raises(InputError, match=r"distances.jsonl:2: "):
        read_log(tmp_path / "distances.jsonl")


def test_without_distances_the_figure_says_so(results_root):
    for log in results_root.glob("stages/*/distances.jsonl"):
        log.unlink()
    figure = figure2(correlations(Results(results_root)))
    assert "No teacher-student distances" in figure.texts[0].get_text()


def test_every_panel_shows_its_correlations_and_frames_those_not_above_zero(results_root):
    figure = figure2(correlations(Results(results_root)))
    panels = [axis for axis in figure.axes if axis.get_images()]
    assert [panel.get_title() for panel in panels] == ["TinyBERT\nT1-S1", "GLMD-vc\nT1-S1"]
    for panel in panels:
        texts = [text.get_text() for text in panel.texts]
        assert sorted(texts) == ["1.00", "1.00", "−1.00", "−1.00"]
        assert len(panel.patches) == 2


def test_long_tail_counts_every_split_along_the_corpus_ranks(results_root):
    data = long_tail(Results(results_root))
    corpus = data[data["source"] == CORPUS]
    assert len(corpus) == 193  # 200 tokens, 7 of them commands
    assert (np.diff(corpus["count"]) <= 0).all()
    assert corpus["rank"].tolist() == list(range(1, 194))
    splits = data.groupby(["source", "split"])["share"].sum()
    assert len(splits) == 17
    assert splits.to_numpy() == pytest.approx(1)
    assert data[data["source"] == "RTE"]["count"].sum() == 2 * 40 * 20  # part A only, one candidate


def test_the_kept_vocabulary_is_marked_only_where_a_method_compresses(results_root):
    results = Results(results_root)
    assert kept_words(results) == 104 - 7  # half of 200, rounded up to 8, without commands
    plain = results.config.model_copy(update={"methods": ("KD",)})
    write_text(results_root / "config.json", plain.model_dump_json())
    assert kept_words(Results(results_root)) is None


def test_the_text_folder_is_the_one_that_the_runs_read(results_root):
    (results_root / "text" / "older").mkdir()
    assert Results(results_root).text_folder() == results_root / "text" / "0123456789"
    (results_root / "text" / "0123456789").rename(results_root / "text" / "moved")
    with pytest.raises(InputError, match="the runs read 0 folders of it; name the right one with --text"):
        Results(results_root).text_folder()
