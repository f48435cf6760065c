"""Verdicts on the first paper are pinned to the character: other papers' needs must not move them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_runs import EXAMPLES

from retort.claims.judging import judge
from retort.claims.ledger import ledger_path
from retort.claims.writing import write_claims

PINNED = Path(__file__).parent / "glmd_claims.csv"
RIGHT = {"GLMD-vc": 0.8, "GLMD": 0.79, "TinyBERT": 0.72, "KD": 0.6, "PD": 0.7, "MiniLM": 0.71}
VARIANTS = {"GLMD-vc no-mask": 0.78, "GLMD-vc tau1=1": 0.6, "GLMD alpha=0.1": 0.6, "GLMD alpha=0.2": 0.65,
            "GLMD alpha=0.4": 0.75, "GLMD unk": 0.5}  # fmt: skip


def test_judged_claims_of_glmd(run, tmp_path):
    for role, methods in (("student", RIGHT), ("variant", VARIANTS)):
        for place, (method, share) in enumerate(methods.items()):
            random = np.random.default_rng([place, len(role)])
            seeds = range(1, 2 + place % 3)
            run.add(method, {s: random.random(EXAMPLES) < share for s in seeds}, role=role)
    run.add("GLMD-vc", {1: np.random.default_rng(9).random(EXAMPLES) < 0.85}, pair="T1-S2")
    write_claims(judge(run.results(), ledger_path("glmd")), tmp_path / "claims.csv")
    head, *lines = (tmp_path / "claims.csv").read_text().splitlines()
    assert (
        "\n".join([head, *(line for line in lines if ",not run," not in line)]) + "\n" == PINNED.read_text()
    )
