"""What the demonstrations say, checked against what is known about the features."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from retort.claims import demonstrations
from retort.claims.demonstrations import cka_loss, judge_demonstration
from retort.claims.kinds import Demonstration


def shown(of, relation="below", threshold=0.5):
    values = {"kind": "demonstration", "of": of, "relation": relation, "threshold": threshold}
    return judge_demonstration(Demonstration(**values, threshold_from="x"))


def test_the_loss_is_one_minus_the_root_of_linear_cka():
    x, y = (np.random.default_rng(i).normal(size=(50, 3 + i)) for i in (0, 1))
    x, y = x - x.mean(0), y - y.mean(0)
    cka = np.sum((x.T @ y) ** 2) / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert cka_loss(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(1 - cka**0.5, abs=1e-7)


def test_a_head_reads_other_words_from_rotated_features():
    found = shown("equal-up-to-rotation")
    assert found.verdict == "supported" and found.effect < 0.1
    assert "loss 0.000000" in found.note and "n = 2,048" in found.note


def test_the_shared_direction_alone_decides():
    """The norm of S'T is n s^2, that of S'S n sqrt(s^4 + (d - 1)(1 + d / n)), up to sampling."""
    found = shown("one-direction", threshold=0.05)
    n, d, s = 16384, 64, 10.0
    expected = 1 - s**2 / np.sqrt(s**4 + (d - 1) * (1 + d / n))
    assert found.verdict == "supported" and found.effect == pytest.approx(expected, rel=0.1)
    assert "the student explains 0.0 %" in found.note


def test_few_tokens_make_strangers_look_alike():
    found = shown("few-samples")
    assert found.verdict == "supported" and 0 < found.effect < 0.4
    numbers = [float(number) for number in re.findall(r"([\d.]+) with", found.note)]
    assert len(numbers) == 4
    assert numbers == sorted(numbers) and numbers[-1] > 0.8


def test_ratios_do_not_add_up():
    assert 0.5 < shown("mean-of-ratios", threshold=0.9).effect < 0.9


def test_unequal_widths_can_be_drawn_together():
    found = shown("unequal-widths")
    assert found.verdict == "supported"
    assert "16 dimensions beside 64" in found.note and "the cosine loss refuses them" in found.note


@pytest.mark.parametrize(
    ("relation", "threshold", "verdict"),
    [
        ("above", 0.3, "supported"),
        ("above", 0.5, "contradicted"),
        ("below", 0.5, "supported"),
        ("below", 0.3, "contradicted"),
    ],
)  # fmt: skip
def test_numbers_are_laid_beside_thresholds(monkeypatch, relation, threshold, verdict):
    fixed = demonstrations.Shown(0.4, "loss", "n = 1")
    monkeypatch.setitem(demonstrations._DEMONSTRATIONS, "few-samples", lambda: fixed)
    found = shown("few-samples", relation, threshold)
    assert (found.verdict, found.effect, found.low) == (verdict, 0.4, None)


def test_every_kind_has_one():
    names = Demonstration.model_fields["of"].annotation.__args__
    assert set(names) == set(demonstrations._DEMONSTRATIONS)
