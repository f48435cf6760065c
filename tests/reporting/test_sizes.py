import pytest

from retort.config import load
from retort.reporting.sizes import (
    architecture,
    given_vocabulary,
    parameters,
    parameters_as_counted,
    parameters_of_stage,
    variant,
)


def paper_model(symbol):
    config = load("paper")
    return architecture(config.models[symbol], given_vocabulary(config))


@pytest.mark.parametrize(
    ("symbol", "count"),
    [
        ("T1", 109_338_624),
        ("T2", 334_688_256),
        ("A1", 201_949_440),
        ("S1", 22_788_864),
        ("S2", 66_811_392),
        ("S_MB", 37_371_392),
        ("T_MB", 306_174_464),
    ],
)
def test_counts_of_the_published_checkpoints_shapes(symbol, count):
    assert parameters(paper_model(symbol)) == count


def test_count_is_the_closed_formula():
    """V h + 2 (P + 1) h + L (12 h^2 + 13 h) + 2 h, for the plain architecture."""
    config = paper_model("T3")
    v, h, p, layers = config.vocab, config.width, config.positions, config.layers
    assert parameters(config) == v * h + 2 * (p + 1) * h + layers * (12 * h * h + 13 * h) + 2 * h


def test_smaller_embeddings():
    student = paper_model("S1")
    assert parameters(variant(student, compressed=15360)) == 16_939_776
    assert parameters(variant(student, embedding="factorised")) == 17_063_232
    assert parameters(variant(student, compressed=15360, embedding="factorised")) == 14_138_688
    assert parameters_as_counted(paper_model("S_MB")) == 25_624_064
    assert parameters_as_counted(student) == parameters(student)


def test_a_stage_is_counted_from_the_model_it_kept(results_root):
    stages = results_root / "stages"
    full = parameters_of_stage(stages / "S1.task.KD.s1.KD-1")
    small = parameters_of_stage(stages / "S1.task.GLMD.s1.GLMD-1")
    assert full - small == (704 - 352) * 64
    assert parameters_of_stage(stages / "none") is None
