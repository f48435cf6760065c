"""When jobs that need each other end on a number of equal devices."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        name: unique; ``seconds``: how long it runs.
        needs: names of jobs that end before it starts.
        devices: how many it occupies.
    """

    name: str
    seconds: float
    needs: tuple[str, ...] = ()
    devices: int = 1

    @property
    def device_seconds(self) -> float:
        """Device time, of all its devices together."""
        return self.seconds * self.devices


def critical_path(jobs: Mapping[str, Job]) -> list[Job]:
    """The chain of jobs that takes longest, first job first: no number of devices is faster."""
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name in _order(jobs):
        latest = max(jobs[name].needs, key=ends.__getitem__, default=None)
        before[name] = latest
        ends[name] = jobs[name].seconds + (0.0 if latest is None else ends[latest])
    found: list[Job] = []
    current = max(ends, key=ends.__getitem__, default=None)
    while current is not None:
        found.insert(0, jobs[current])
        current = before[current]
    return found


def wall_time(jobs: Mapping[str, Job], devices: int) -> float:
    """Seconds until all jobs are done, by list scheduling.

    Free devices take the ready job with the longest chain of jobs behind it. That is at most 2 - 1/devices
    times as long as the best schedule (Graham, 1966), if each takes one. A job that takes more than are free
    holds up those behind it; one that takes more than there are gets all. Jobs without a device start as soon
    as they can.
    """
    widths = {name: min(job.devices, devices) for name, job in jobs.items()}
    urgency = _urgency(jobs)
    waits = {name: len(job.needs) for name, job in jobs.items()}
    users = _users(jobs)
    ready: list[tuple[float, str]] = []
    running: list[tuple[float, str]] = []
    now, free = 0.0, devices

    def release(name: str) -> None:
        if widths[name]:
            heapq.heappush(ready, (-urgency[name], name))
        else:
            heapq.heappush(running, (now + jobs[name].seconds, name))

    for name, count in waits.items():
        if count == 0:
            release(name)
    while ready or running:
        while ready and free >= widths[ready[0][1]]:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + jobs[name].device_seconds / max(1, widths[name]), name))
            free -= widths[name]
        now, ended = heapq.heappop(running)
        free += widths[ended]
        for user in users[ended]:
            waits[user] -= 1
            if waits[user] == 0:
                release(user)
    return now


def _urgency(jobs: Mapping[str, Job]) -> dict[str, float]:
    """Seconds of the longest chain that starts with each job."""
    users, found = _users(jobs), dict[str, float]()
    for name in reversed(_order(jobs)):
        found[name] = jobs[name].seconds + max((found[user] for user in users[name]), default=0.0)
    return found


def _users(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in jobs}
    for name, job in jobs.items():
        for need in job.needs:
            found[need].append(name)
    return found


def _order(jobs: Mapping[str, Job]) -> list[str]:
    """Names, each after all that it needs."""
    return list(TopologicalSorter({name: job.needs for name, job in jobs.items()}).static_order())
