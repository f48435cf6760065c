"""Arguments that the scripts of this room share."""

from __future__ import annotations

import argparse
from pathlib import Path

from retort.reporting.results import PUBLISHED, Results


def results_parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows which results to read."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--results", type=Path, required=True, help="folder of one scale: results/<scale>")
    parser.add_argument(
        "--published",
        type=Path,
        default=PUBLISHED,
        help="folder with the papers' numbers (default: %(default)s)",
    )
    return parser


def exhibit_parser(description: str, exhibits: list[str], kind: str) -> argparse.ArgumentParser:
    """A parser that also takes the names of exhibits, the paper and the output folder."""
    parser = results_parser(description)
    parser.add_argument("exhibits", nargs="+", choices=exhibits, metavar="EXHIBIT", help=", ".join(exhibits))
    parser.add_argument("--paper", default="glmd", help="whose exhibits (default: %(default)s)")
    parser.add_argument("--out", type=Path, help=f"folder to write to (default: <results>/<paper>/{kind})")
    return parser


def results_of(arguments: argparse.Namespace) -> Results:
    """The results that the arguments name."""
    return Results(arguments.results, arguments.paper, arguments.published)
