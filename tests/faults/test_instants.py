"""Killed at every instant at which the file system changes, and in the middle of files."""

from __future__ import annotations

import signal
from random import Random

import pytest
from fault_world import STEPS

FEW = 20
SAMPLED = 2
"""Instants of each step that has more than a few."""


def instants(forge, step):
    """All where there are few, else some."""
    last = forge.changes[step]
    numbers = range(1, last + 1)
    return numbers if last < FEW else sorted(Random(f"instants/{step}").sample(numbers, SAMPLED))


def survives(forge, step, number):
    """Right before every other change the file that it would have named is cut in half besides."""
    forge.without(step)
    ended = forge.attempt(step, die_at=number, half=number % 2 == 0)
    assert ended.code == -signal.SIGKILL, (number, ended)
    ended = forge.attempt(step)
    assert ended.code == 0, (number, ended.printed)
    assert forge.differences() == [], number


@pytest.mark.parametrize("step", STEPS)
def test_a_step_killed_right_before_a_change_is_done_by_the_next_attempt(forge, step):
    for number in instants(forge, step):
        survives(forge, step, number)


def test_a_pretraining_killed_at_each_of_its_instants(forge):
    """States after every update, then one published folder: whatever is left, the next attempt ends well."""
    (step,) = (name for name, one in STEPS.items() if one.kind == "pretraining: features")
    for number in range(1, forge.changes[step] + 1):
        survives(forge, step, number)


def test_a_run_killed_again_and_again_gets_through(forge):
    """Each attempt goes on where the last one died, and gets a little further."""
    (step,) = (name for name, one in STEPS.items() if one.kind == "task: words, compressed vocabulary")
    forge.without(step)
    killed = 0
    while forge.attempt(step, die_at=10 + 3 * killed).code == -signal.SIGKILL:
        killed += 1
    assert killed > 10
    assert forge.differences() == []
