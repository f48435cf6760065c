"""Plans of few methods, and what is in them."""

from __future__ import annotations

import itertools

from retort.config import load
from retort.plan import Plan

METHODS = ["KD", "PD", "TinyBERT", "GLMD-vc", "GLMD"]


FEW = {
    "papers": ["glmd"],
    "methods": METHODS,
    "pairs": ["T1-S1"],
    "columns": "all",
    "seeds": [1, 2],
    "variants": {"tables": [], "quirks": [], "seeds": [1]},
}
"""Of all that the smoke scale has, what can be counted by hand."""


def plan(overrides=None, scale="smoke"):
    return Plan(load(scale, (FEW if scale == "smoke" else {}) | (overrides or {})))


def chain(plan, method, seed=1, pair="T1-S1"):
    """A method's stages, first to last."""
    cell = next(c for c in plan.cells if (c.method, c.seed, c.pair) == (method, seed, pair))
    stage, found = cell.stages[0], []
    while stage is not None:
        found.insert(0, stage)
        stage = stage.init
    return found


def names(plan):
    """Each stage by a name that no value changes: who makes it and which it is."""
    found = {"teacher": plan.pretrained("T1").id, "tuned": plan.cells[0].stages[0].id}
    for method, seed in itertools.product(plan.config.methods, plan.config.seeds):
        for number, stage in enumerate(chain(plan, method, seed)):
            found[f"{method}{number}.{seed}"] = stage.id
    return found
