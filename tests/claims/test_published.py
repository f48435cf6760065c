import csv

import pytest

from retort.claims.judging import Judges
from retort.claims.kinds import Cell
from retort.claims.ledger import ledger_path, read_ledger
from retort.claims.published import PaperScores, slope_weights
from retort.reporting.results import PUBLISHED, Results


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return PaperScores(Results(tmp_path_factory.mktemp("none")))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    judges = Judges(Results(tmp_path_factory.mktemp("none")), 10)
    return {claim.id: judges.published(claim) for claim in read_ledger(ledger_path("glmd"), "glmd")}


def cell(text):
    method, _, pair = text.partition(" @ ")
    return Cell(method=method, pair=pair)


@pytest.mark.parametrize(
    ("claim", "effect"),
    [
        ("vc-best-t1-s1", 67.92 - 67.32),
        ("vc-over-tinybert-t2-s2", 72.13 - 69.09),
        ("glmd-over-tinybert-t1-s2", 70.87 - 70.83),
        ("vc-over-tinybert-record", (59.06 + 58.33) / 2 - (56.13 + 55.53) / 2),
        ("vc-over-tinybert-copa", 5.0),
        ("larger-teacher-hurts-baselines", 10),
        ("larger-student-helps-baselines", 12),
        ("kd-last-t1-s1", 12),
        ("ablation-no-mask", 0.6),
        ("ablation-teacher-mapped", 1.9),
        ("tau2-insensitive", -0.5),
        ("glmd-near-vc-t1-s1", -0.53),
        ("batch-trend", (3 * (67.9 - 64.7) + (67.1 - 66.2)) / 10),
        ("half-word-table", 0.5),
    ],
)
def test_effects_are_those_of_the_paper_by_hand(published, claim, effect):
    assert published[claim] == pytest.approx(effect, abs=0.051 if "trend" in claim else 0.006)


def test_the_paper_supports_what_it_states(published):
    """Its own numbers have the sign that the claims say, whatever a run finds."""
    for claim in read_ledger(ledger_path("glmd"), "glmd"):
        effect = published[claim.id]
        if claim.test.kind in ("greater", "best_of", "trend"):
            assert effect > 0, claim.id
        elif claim.test.kind == "count":
            assert effect >= claim.test.least, claim.id
        elif claim.test.kind == "at_least_within":
            assert abs(effect) < claim.test.margin, claim.id


def test_averages_without_record(paper):
    with (PUBLISHED / "glmd" / "table3.csv").open() as stream:
        rows = {(row["method"], row["config"]): row["superglue_avg"] for row in csv.DictReader(stream)}
    for method in ("TinyBERT", "GLMD-vc"):
        score = paper.score(cell(f"{method} @ T3-S3"), "without ReCoRD")
        assert score.value == pytest.approx(float(rows[method, "T3-S3"]), abs=0.006)


def test_unprinted_scores_are_none(paper):
    assert paper.score(cell("KD @ T3-S3"), "average") is None
    assert paper.score(cell("TinyBERT @ T3-S3"), "ReCoRD") is None
    assert paper.score(cell("GLMD-vc no-mask @ T1-S1"), "RTE") is None


def test_a_slope_is_that_of_least_squares():
    np = pytest.importorskip("numpy")
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    assert np.dot(slope_weights(5), values) == pytest.approx(np.polyfit(range(5), values, 1)[0])
