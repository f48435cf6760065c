#!/usr/bin/env python3
"""Print the time of training steps over their floors, of a job's start, and of Snakemake's dry runs."""

import argparse
import os
import tempfile
from pathlib import Path

from retort.cli import positive
from retort.errors import run_cli


def main() -> None:
    """Measure on a small generated world, with random weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="pocket", help="whose model sizes and batches (pocket data)")
    parser.add_argument("--repeats", type=positive, default=100, help="steps behind each median")
    parser.add_argument("--starts", type=positive, default=5, help="processes behind the start-up time")
    parser.add_argument(
        "--save", metavar="NAME", help="append to benchmarks/NAME.csv, with machine and versions"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as in the workflow; before torch makes its threads

    from retort.benchmarks import steps

    with tempfile.TemporaryDirectory() as folder:
        bench = steps.Workbench(Path(folder), arguments.scale)
        found = steps.pretraining(bench, arguments.repeats)
        found += steps.cached_task(bench, Path(folder), arguments.repeats)
        found += steps.start_up(bench, arguments.starts)
        found += steps.planning(Path(folder) / "dry")
    for one in found:
        print(one.line())
    if arguments.save:
        steps.save(Path("benchmarks") / f"{arguments.save}.csv", found)


if __name__ == "__main__":
    run_cli(main)
