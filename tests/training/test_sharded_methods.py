"""Towards whatever objective, two processes get the gradient of one; what they cannot do, they refuse."""

from __future__ import annotations

import json

import pytest
from two_processes import in_two

METHODS = {
    "GLMD-0": "words in chunks, a compressed vocabulary",
    "GLMD-vc+al-0": "an ALBERT-like embedding",
    "KD-0": "class scores",
    "TinyBERT-0": "scores and hidden states, a lens",
    "MiniLM-0": "queries, keys and values of the last block, whose output no loss reads",
    "MobileBERT-0": "bottlenecks, block after block",
    "Theseus-0": "the teacher's blocks in the student's pass",
    "DIITO-0": "two passes before one gradient, rows together",
    "CKD-1": "rows together",
    "RAIL-KD-1": "a sum over the micro-batch, lenses on both sides",
    "MT-BERT-0": "two teachers, their losses as weights",
    "Uncertainty-0": "a teacher for each example by its rank",
}
REFUSED = "RL-KD-1"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Largest differences of reports (relative) and of parameters after three updates, by method."""
    out = tmp_path_factory.mktemp("gradients") / "found.json"
    assert "returned a view tensor" not in in_two(
        "tests/sharded_ranks.py", "gradients", out, *METHODS, REFUSED
    )
    return json.loads(out.read_text())


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_take_the_steps_of_one(found, method):
    reports, parameters = found[method]
    assert reports < 1e-12 and parameters < 1e-12


def test_a_policy_that_learns_from_the_micro_batch_before_is_refused(found):
    assert "RL-KD" in found[REFUSED] and "train it on one device" in found[REFUSED]
