"""Critical path and list scheduling against brute force on small graphs."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.costs.schedule import Job, critical_path, wall_time


@st.composite
def graphs(draw):
    """Up to six jobs of a few seconds, each needing some of those before it."""
    jobs = {}
    for number in range(draw(st.integers(1, 6))):
        needs = draw(st.sets(st.sampled_from(sorted(jobs)))) if jobs else set()
        jobs[str(number)] = Job(str(number), draw(st.integers(1, 5)), tuple(sorted(needs)))
    return jobs


def best(jobs, devices):
    """Shortest time of any schedule of jobs of whole seconds: search second by second."""
    names = sorted(jobs)

    @cache
    def left(remaining):
        rest = dict(zip(names, remaining, strict=True))
        if not any(remaining):
            return 0
        begun = [name for name in names if 0 < rest[name] < jobs[name].seconds]
        ready = [
            name
            for name in names
            if rest[name] == jobs[name].seconds and not any(rest[need] for need in jobs[name].needs)
        ]
        spare = min(devices - len(begun), len(ready))
        choices = [(), *((name,) for name in ready)]
        if spare >= 2:
            choices += [(a, b) for a in ready for b in ready if a < b]
        if spare >= 3:
            choices += [tuple(ready)]
        found = []
        for chosen in choices:
            if len(chosen) <= spare and (begun or chosen):
                after = {name: rest[name] - (name in begun or name in chosen) for name in names}
                found.append(1 + left(tuple(after[name] for name in names)))
        return min(found)

    return left(tuple(int(jobs[name].seconds) for name in names))


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(1, 2))
def test_a_schedule_is_at_most_graham_s_bound_from_the_best(jobs, devices):
    found, ideal = wall_time(jobs, devices), best(jobs, devices)
    assert ideal <= found <= (2 - 1 / devices) * ideal


@given(graphs())
def test_extremes(jobs):
    path = critical_path(jobs)
    assert all(first.name in second.needs for first, second in zip(path, path[1:], strict=False))
    longest = sum(job.seconds for job in path)
    assert wall_time(jobs, len(jobs)) == longest
    assert wall_time(jobs, 1) == sum(job.seconds for job in jobs.values())
    assert all(wall_time(jobs, n) >= max(longest, wall_time(jobs, 1) / n) for n in (2, 3))


def test_a_job_without_device_does_not_wait_for_one():
    jobs = {
        "long": Job("long", 10),
        "note": Job("note", 2, (), devices=0),
        "after": Job("after", 1, ("note",)),
    }
    assert wall_time(jobs, 1) == 11
    assert [job.name for job in critical_path(jobs)] == ["long"]


def test_a_job_waits_for_all_the_devices_that_it_takes():
    jobs = {"wide": Job("wide", 4, (), devices=3), "a": Job("a", 5), "after": Job("after", 2, ("wide",))}
    assert wall_time(jobs, 4) == 6  # beside each other
    assert wall_time(jobs, 3) == 4 + 5  # the most urgent first: 4, then 5 beside 2
    assert wall_time(jobs, 1) == 3 * 4 + 5 + 2  # what is shared out among fewer takes as much longer
    assert sum(job.device_seconds for job in jobs.values()) == 19


def test_the_chain_that_matters_goes_first():
    jobs = {"a": Job("a", 1), "b": Job("b", 1), "c": Job("c", 1), "d": Job("d", 4, ("c",))}
    assert wall_time(jobs, 2) == 5


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        critical_path({"a": Job("a", 1, ("b",)), "b": Job("b", 1, ("a",))})
