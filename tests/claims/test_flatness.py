"""How much the loss rises around students: by hand, seed by seed, and what is not there."""

import csv
from types import SimpleNamespace

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from retort.claims.flatness import judge_flatness, rises
from retort.claims.kinds import Cell, Flatter
from retort.errors import InputError
from retort.reporting.results import LANDSCAPE, Results

ATKD, PLAIN = "Supervised KD + ATKD", "Supervised KD"
TEST = Flatter.model_validate(
    {"kind": "flatter", "flatter": f"{ATKD} @ any pair", "sharper": f"{PLAIN} @ any pair",
     "radius": 0.2, "radius_from": "x"}
)  # fmt: skip


def run(tmp_path, curvatures, points=(-0.2, 0.0, 0.2, 0.4), slope=0.3):
    """Parabolas by method, pair and seed, tilted and, in a second direction, twice as steep."""
    (tmp_path / "atkd").mkdir()
    with (tmp_path / "atkd" / "landscape.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(LANDSCAPE)
        for (method, pair, seed), curvature in curvatures.items():
            for direction in (0, 1):
                for point in points:
                    loss = 3 + slope * point + (1 + direction) * curvature * point**2
                    writer.writerow((method, pair, seed, f"S.{seed}", direction, point, loss))
    runs = {
        Cell(method=method, pair=pair): {("1", "instructions"): tmp_path} for method, pair, _ in curvatures
    }
    return Results(tmp_path, "atkd"), SimpleNamespace(runs=runs)


def by_seed(plain, atkd, pair="T-S"):
    found = {(PLAIN, pair, seed): value for seed, value in enumerate(plain, start=1)}
    return found | {(ATKD, pair, seed): value for seed, value in enumerate(atkd, start=1)}


def test_the_rise_is_a_mean_over_sides_and_directions(tmp_path):
    results, _ = run(tmp_path, by_seed([2.0], [1.0]))
    found = rises(results, 0.2)
    assert found[Cell(method=PLAIN, pair="T-S")]["1"] == pytest.approx(0.04 * 1.5 * 2.0)
    assert found[Cell(method=ATKD, pair="T-S")]["1"] == pytest.approx(0.04 * 1.5 * 1.0)


@pytest.mark.parametrize(
    ("plain", "atkd", "verdict"),
    [
        ([2.0, 2.1, 2.2], [1.0, 1.2, 1.1], "supported"),
        ([1.0, 1.2, 1.1], [2.0, 2.1, 2.2], "contradicted"),
        ([2.0, 1.0, 1.5], [1.5, 1.2, 1.4], "undecided"),
    ],
)
def test_students_of_equal_seed_are_compared(tmp_path, plain, atkd, verdict):
    found = judge_flatness(TEST, *run(tmp_path, by_seed(plain, atkd)))
    differences = pd.Series(plain) - pd.Series(atkd)
    interval = ttest_rel(plain, atkd).confidence_interval(0.95)
    assert (found.verdict, found.unit, found.seeds) == (verdict, "nats", 3)
    assert found.effect == pytest.approx(0.06 * differences.mean())
    assert (found.low, found.high) == pytest.approx((0.06 * interval.low, 0.06 * interval.high))
    assert bool(found.needed) == (verdict == "undecided")


def test_every_pair_and_seed_is_a_measurement(tmp_path):
    curvatures = by_seed([2.0, 2.5], [1.0, 1.0]) | by_seed([3.0, 2.0, 9.0], [2.0, 1.5], "U-S")
    found = judge_flatness(TEST, *run(tmp_path, curvatures))
    assert found.note == "less rise of the loss 0.2 away, mean of 4 comparisons"
    assert found.effect == pytest.approx(0.06 * (1.0 + 1.5 + 1.0 + 0.5) / 4) and found.seeds == 2


def test_one_seed_decides_nothing(tmp_path):
    found = judge_flatness(TEST, *run(tmp_path, by_seed([9.0], [1.0])))
    assert (found.verdict, found.low, found.needed) == ("undecided", None, "2 runs")


def test_what_was_not_cut_through_was_not_run(tmp_path):
    results, evidence = run(tmp_path, by_seed([2.0], []))
    assert judge_flatness(TEST, results, evidence).note.startswith("not run at this scale: Supervised KD")
    (tmp_path / "atkd" / "landscape.csv").unlink()
    fresh = Results(tmp_path, "atkd")
    assert judge_flatness(TEST, fresh, evidence).note == "nothing was cut through at this scale"


def test_a_radius_that_was_not_measured_is_told(tmp_path):
    results, evidence = run(tmp_path, by_seed([2.0], [1.0]), points=(-0.1, 0.0, 0.1))
    with pytest.raises(InputError, match=r"landscape.csv: Supervised KD @ T-S has no loss at 0 and 0.2; cut"):
        judge_flatness(TEST, results, evidence)
