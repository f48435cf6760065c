import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from retort.errors import InputError
from retort.files import write_text
from retort.plan import Plan
from retort.reporting import figure2, figure5, heatmap
from retort.reporting.distances import COLUMNS, correlate, pretraining_log, read_log, series
from retort.reporting.exhibits import exhibits_of, write_figure
from retort.reporting.figure3 import CORPUS, long_tail
from retort.reporting.glmd_exhibits import kept_words
from retort.reporting.results import Results

DRAWN = {"figure2": (figure2, figure2.figure2), "figure5": (figure5, figure5.figure5)}


@pytest.mark.parametrize("name", list(exhibits_of("glmd").figures))
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
    data = figure5.correlations(Results(results_root))
    assert tuple(data.columns) == COLUMNS
    assert data["method"].unique().tolist() == ["TinyBERT", "GLMD-vc"]
    assert data["against"].unique().tolist() == ["loss", "l_sp", "perplexity"]
    of_loss = data[(data["method"] == "GLMD-vc") & (data["against"] == "loss")]
    one = of_loss.set_index(["distance", "site"])
    assert one.loc[("kl", "words"), "rho"] == pytest.approx(1)
    assert one.loc[("perplexity", ""), "rho"] == pytest.approx(1)
    scores = of_loss[of_loss["site"] == "scores"]
    assert scores.set_index("layer")["rho"].to_dict() == {1: pytest.approx(1), 2: pytest.approx(-1)}
    constant = of_loss[(of_loss["site"] == "hidden") & (of_loss["layer"] == 1)]
    assert constant["rho"].isna().all() and constant["p"].isna().all()
    assert (data["points"] == 30).all() and (data["seeds"] == 3).all()
    itself = one.loc[("loss", "")]
    assert math.isnan(itself["rho"])
    assert (itself["first"], itself["last"]) == pytest.approx((5 + 0.01 * math.sin(1), 5 / 30 - 0.0098803))


def test_figure_2_is_about_the_training_loss_of_glmd_alone(results_root):
    data = figure2.correlations(Results(results_root))
    assert data["method"].unique().tolist() == ["GLMD-vc"] and data["against"].unique().tolist() == ["loss"]


def log(random, steps=30):
    """A random log: everything drifts, so that series are like those of a training run."""
    names = ("kl:words", "mse:scores:1", "gram_kl:q:2", "cka:hidden:0")
    lines = [
        {"step": i, "loss": 5 / (i + 1) + random.normal(), "lm_loss": random.normal()} for i in range(steps)
    ]
    walks = {name: random.normal(size=steps).cumsum() for name in names}
    return [line | {name: float(walk[i]) for name, walk in walks.items()} for i, line in enumerate(lines)]


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_correlations_are_the_mean_of_scipys(seeds):
    random = np.random.default_rng(seeds)
    logs = [log(random) for _ in range(seeds)]
    found = correlate([series(lines) for lines in logs], ["loss", "perplexity"])
    assert len(found) == 2 * 6
    for record in found:
        name = ":".join(
            str(part) for part in (record["distance"], record["site"], record["layer"]) if part or part == 0
        )
        other = {"loss": "loss", "perplexity": "lm_loss"}[record["against"]]
        name = "kl:words" if name == "kl:words" else {"perplexity": "lm_loss"}.get(name, name)
        if name == other:
            assert record["rho"] is None and record["p"] is None
            continue
        rhos = [spearmanr([x[other] for x in lines], [x[name] for x in lines]).statistic for lines in logs]
        assert record["rho"] == pytest.approx(np.mean(rhos))
        assert (record["lowest"], record["highest"]) == pytest.approx((min(rhos), max(rhos)))
        assert record["seeds"] == seeds and 0 < record["p"] <= 1


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=0, max_size=12))
def test_correlation_is_in_range_or_absent(points):
    lines = [{"loss": loss, "mse:hidden:1": value} for loss, value in points]
    found = [r for r in correlate([series(lines)], ["loss"]) if r["distance"] == "mse"] if lines else []
    assert len(found) == (1 if points else 0)
    for record in found:
        assert record["rho"] is None or -1 <= record["rho"] <= 1
        assert record["points"] == len(points)


def test_missing_and_infinite_values_are_left_out():
    lines = [{"loss": float(i), "kl:words": 2.0 * i} for i in range(4)]
    lines += [{"loss": math.nan, "kl:words": 1.0}, {"loss": 9.0}, {"loss": 9.0, "kl:words": None}]
    (record,) = (r for r in correlate([series(lines)], ["loss"]) if r["distance"] == "kl")
    assert (record["points"], record["layer"]) == (4, None)
    assert record["rho"] == pytest.approx(1)


def test_perplexity_is_bounded_as_the_authors_bound_it():
    lines = [{"loss": 1.0, "lm_loss": value} for value in (0.0, 20.0, 700.0)]
    assert series(lines)["perplexity"].tolist() == pytest.approx([1, math.exp(20), math.exp(20)])


def test_logs_without_a_series_count_where_they_have_it():
    both = [{"loss": i, "mse:q:1": i, "lm_loss": i} for i in range(5)]
    older = [{"loss": i, "mse:q:1": -i} for i in range(5)]
    found = correlate([series(both), series(older)], ["loss", "l_sp", "perplexity"])
    by = {(r["against"], r["distance"]): (r["rho"], r["seeds"]) for r in found}
    assert by["loss", "mse"] == (0, 2)
    assert by["perplexity", "mse"] == (pytest.approx(1), 1)
    assert not [key for key in by if key[0] == "l_sp"]


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


@pytest.mark.parametrize("name", list(DRAWN))
def test_without_distances_the_figure_says_so(results_root, name):
    for path in results_root.glob("stages/*/distances.jsonl"):
        path.write_text("")
    module, draw = DRAWN[name]
    data = module.correlations(Results(results_root))
    assert data.empty and tuple(data.columns) == COLUMNS
    assert "No teacher-student distances" in draw(data).texts[0].get_text()
    assert module.caption(data) == figure2.NOTHING


@pytest.mark.parametrize("name", list(DRAWN))
def test_a_single_step_correlates_with_nothing(results_root, name):
    for path in results_root.glob("stages/*/distances.jsonl"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    module, draw = DRAWN[name]
    data = module.correlations(Results(results_root))
    assert len(data) and data["rho"].isna().all()
    assert "No teacher-student distances" in draw(data).texts[0].get_text()
    assert module.caption(data) == figure2.NOTHING


def panels(figure):
    """(method, title, numbers, frames) of each panel."""
    return [
        (
            axis.get_title("right").strip(),
            axis.get_title(),
            [text.get_text() for text in axis.texts],
            len([patch for patch in axis.patches if not patch.get_fill()]),
        )
        for axis in figure.axes
        if axis.get_title()
    ]


def test_figure_2_shows_its_correlations_and_frames_those_not_above_zero(results_root):
    figure = figure2.figure2(figure2.correlations(Results(results_root)))
    numbers = ["5.01 → 0.157", "1.00", "1.00", "−1.00", "–", "1.00", "−1.00"]
    assert panels(figure) == [("", "GLMD-vc, T1-S1", numbers, 2)]


def test_figure_5_shows_each_method_with_each_measure(results_root):
    figure = figure5.figure5(figure5.correlations(Results(results_root)))
    found = panels(figure)
    titles = ["with training loss", "with $L_{sp}$", "with perplexity"]
    assert [panel[1] for panel in found] == titles * 2
    assert [panel[0] for panel in found] == ["TinyBERT", "", "", "GLMD-vc", "", ""]
    rest = ["−1.00", "–", "1.00", "−1.00"]
    assert found[3][2:] == (["5.01 → 0.157", "1.00", "1.00", *rest], 2)
    assert found[4][2:] == (["1.00", "10 → 0.314", "1.00", *rest], 2)
    assert found[5][2:] == (["1.00", "1.00", "407 → 3.18", *rest], 2)


def test_the_pair_of_figure_5_is_the_first_with_most_methods(results_root):
    results = Results(results_root)
    scores = results.scores
    other = scores[scores["method"] == "GLMD-vc"].assign(pair="T1-S2")
    both = type(scores)({name: [*other[name], *scores[name]] for name in scores.columns})
    vars(results)["scores"] = both
    assert figure2.correlations(results)["pair"].nunique() == 2
    assert figure5.correlations(results)["pair"].unique().tolist() == ["T1-S1"]
    assert len(panels(figure2.figure2(figure2.correlations(results)))) == 2


def test_uncertain_correlations_are_in_brackets(results_root):
    data = figure2.correlations(Results(results_root))
    data["p"] = np.where(data["distance"] == "mse", 0.05, 0.051)
    ((_, _, texts, frames),) = panels(figure2.figure2(data))
    assert texts[1:] == ["(1.00)", "(1.00)", "(−1.00)", "–", "1.00", "−1.00"] and frames == 2
    assert "2 of 4 distances do not come closer" in figure2.caption(data)
    assert ", 1 of them beyond chance." in figure2.caption(data)


def test_captions_say_seeds_points_and_answers(results_root):
    results = Results(results_root)
    text = figure5.caption(figure5.correlations(results))
    assert "30 evenly spaced steps of a run, mean of 3 seeds." in text
    assert (
        "The training loss of TinyBERT: ρ = 1.00 with L_sp (10 → 0.314) and ρ = 1.00 with perplexity" in text
    )
    for path in results_root.glob("stages/*.s[23].*/distances.jsonl"):
        path.unlink()
    data = figure5.correlations(Results(results_root))
    assert "mean of 1 seed." in figure5.caption(data) and "mean of 1 seed." in figure2.caption(data)
    assert set(data["seeds"]) == {1} and data["p"].min() == pytest.approx(1 / 30)


def test_without_perplexity_the_rest_is_drawn(results_root):
    for path in results_root.glob("stages/*/distances.jsonl"):
        path.write_text(path.read_text().replace("lm_loss", "unknown"))
    data = figure5.correlations(Results(results_root))
    assert {panel[1] for panel in panels(figure5.figure5(data))} == {"with training loss", "with $L_{sp}$"}
    assert "with perplexity" not in figure5.caption(data)


def test_a_grid_holds_what_occurs_in_the_order_of_a_model(results_root):
    grid = heatmap.Grid.of(figure2.correlations(Results(results_root)))
    assert [line.label for line in grid.lines] == [
        "training loss",
        "$L_{sp}$ (word KL, τ = 15)",
        "perplexity",
        "hidden states",
        "1 − CKA",
        "attention scores",
        "MSE",
    ]
    assert grid.layers == (0, 1, 2)
    tops = [line.top for line in grid.lines]
    assert all(b - a >= 0.9 for a, b in zip(tops, tops[1:], strict=False)), "lines never overlap"


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [(141.2, 30.14, "141 → 30.1"), (4.85e8, 2.0, "5e+08 → 2"), (12345.6, 0.0612, "12,346 → 0.0612")],
)
def test_a_course_has_few_digits(first, last, text):
    assert heatmap.course(first, last) == text


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


def test_the_texts_are_those_of_the_configuration(results_root):
    text, results = results_root / "text", Results(results_root)
    for part in ("corpus", "RTE"):
        (text / f"{part}.older").mkdir()
        folder = results.text_folder(part)
        assert folder.name == Plan(results.config).text[part] and folder.parent == text
        folder.rename(text / f"{part}.moved")
        with pytest.raises(InputError, match=f"{folder.name}: no such folder; run the steps that encode the"):
            results.text_folder(part)
