"""Killed at random instants, again and again: what is left at the end has the same bytes."""

from __future__ import annotations

import signal
from random import Random

import pytest
from fault_process import SABOTAGES
from fault_world import STEPS

KILLS = 3
"""Of each step."""


@pytest.mark.parametrize("step", STEPS)
def test_a_step_killed_again_and_again_leaves_what_an_undisturbed_one_leaves(forge, step):
    random = Random(f"kills/{step}")
    forge.without(step)
    killed = 0
    while killed < KILLS:
        ended = forge.attempt(step, kill_after=random.random() * forge.seconds[step])
        if ended.code == -signal.SIGKILL:
            killed += 1
        else:  # it was faster this time
            assert ended.code == 0, ended.printed
            forge.without(step)
    ended = forge.attempt(step)
    assert ended.code == 0, ended.printed
    assert forge.differences() == []


def test_these_are_many_and_of_every_kind():
    assert len(STEPS) * KILLS >= 50
    kinds = {step.kind for step in STEPS.values()}
    assert kinds >= {
        "data", "text", "vocabulary map", "signals", "gates", "scores", "pretraining: alone", "task: alone",
        "pretraining: words, compressed vocabulary", "pretraining: features", "task: features",
        "task: several teachers",
    }  # fmt: skip


@pytest.mark.parametrize("mistake", SABOTAGES)
def test_a_resumed_run_that_makes_a_mistake_is_noticed(forge, mistake):
    """Dropout, two optimisers, a lens and a log: with any of them forgotten other bytes come out."""
    (step,) = (name for name, one in STEPS.items() if one.kind == "pretraining: features")
    forge.without(step)
    assert forge.attempt(step, plot="dies in the last update").code == -signal.SIGKILL
    ended = forge.attempt(step, plot=mistake)
    assert ended.code == 0, ended.printed
    assert forge.differences() != []
