#!/usr/bin/env python3
"""Make the run of a run card again, from the card and this repository alone, and compare the scores."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import yaml

from retort.cli import positive
from retort.errors import run_cli


def change(text: str) -> tuple[str, Any]:
    """``key=value`` with the value read as YAML."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise argparse.ArgumentTypeError(f"{text!r}: the value is not YAML") from None


def main() -> None:
    """Say what differs from the card; exit with 0 if the scores are equal, 1 if not."""
    from retort.rerun import rerun

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("card", type=Path, help="card.json of a run, wherever it lies")
    parser.add_argument("--results", type=Path, help="folder to work in (default: results/rerun/<stage>)")
    parser.add_argument("--cores", type=positive, default=os.cpu_count() or 1, help="jobs at the same time")
    parser.add_argument(
        "--config",
        type=change,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="what is different here: data_root, import_teacher, device",
    )
    arguments = parser.parse_args()
    same = rerun(arguments.card, arguments.results, arguments.cores, dict(arguments.config))
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    run_cli(main)
