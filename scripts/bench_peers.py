#!/usr/bin/env python3
"""Print time and memory of our word losses beside those of TRL and Liger-Kernel, on the same tensors."""

import argparse
import os
from pathlib import Path

from retort.cli import positive
from retort.errors import run_cli


def main() -> None:
    """Measure on random states and tables of OPT's vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=positive, nargs="+", default=[256, 1024], help="rows of logits")
    parser.add_argument("--vocabulary", type=positive, default=50272, help="words")
    parser.add_argument("--widths", type=positive, nargs=2, default=[768, 1024], help="student's, teacher's")
    parser.add_argument("--repeats", type=positive, default=5, help="measurements behind each median")
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="append to a CSV, with machine and versions"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as in the workflow; before torch makes its threads

    from retort.benchmarks import peers, peers_table

    for positions in arguments.positions:
        for loss in peers.LOSSES:
            setting = peers.Setting(positions, arguments.vocabulary, *arguments.widths)
            found = peers.compare(loss, setting, arguments.repeats)
            for figure in found:
                print(peers_table.line(figure), flush=True)
            if arguments.save:
                peers_table.save(arguments.save, found, arguments.repeats)


if __name__ == "__main__":
    run_cli(main)
