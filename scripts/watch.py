#!/usr/bin/env python3
"""Show all stages that run below a results folder: step, share, loss, speed, time left."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from retort.errors import InputError, run_cli
from retort.progress import Status, clock, read_statuses

STALE_SECONDS = 60


def table(statuses: list[Status], now: float) -> Table:
    """The overview. A running job that has been silent for a minute is marked: it may have been killed."""
    running = sum(status.state == "running" for status in statuses)
    view = Table(title=f"{running} running, {len(statuses) - running} finished")
    view.add_column("stage", overflow="fold")
    view.add_column("phase")
    for name in ("step", "%", "loss", "tok/s", "left"):
        view.add_column(name, justify="right", no_wrap=True)
    view.add_column("state", no_wrap=True)
    for status in statuses:
        silent = now - status.updated
        stale = status.state == "running" and silent > STALE_SECONDS
        left = status.seconds_left if status.state == "running" else None
        view.add_row(
            status.job,
            status.phase,
            f"{status.step}/{status.total}",
            f"{100 * status.share:.0f}",
            "" if status.loss is None else f"{status.loss:.4g}",
            "" if status.tokens_per_second is None else f"{status.tokens_per_second:,.0f}",
            "" if left is None else clock(left),
            f"silent for {clock(silent)}" if stale else status.state,
        )
    return view


def main() -> None:
    """Parse arguments and show the overview until interrupted (or once)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="results folder")
    parser.add_argument("--once", action="store_true", help="print one snapshot and end")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="time between two looks")
    arguments = parser.parse_args()
    folder: Path = arguments.results
    if not arguments.every > 0:
        raise InputError(f"--every: given {arguments.every:g}, expected seconds, more than 0")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; start a run first or name its results folder")
    console = Console()
    if arguments.once:
        console.print(table(read_statuses(folder), time.time()))
        return
    with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(table(read_statuses(folder), time.time()), refresh=True)
            time.sleep(arguments.every)


if __name__ == "__main__":
    run_cli(main)
