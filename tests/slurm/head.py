"""Snakemake as a user runs it, except that it asks for the state of its jobs every second.

The plugin asks less and less often while jobs run, to spare a real controller; that would cost tests minutes.
"""

from __future__ import annotations

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

if __name__ == "__main__":
    main()
