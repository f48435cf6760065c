#!/usr/bin/env python3
"""Make tables of a finished run: CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse

from retort.errors import run_cli
from retort.reporting.arguments import exhibit_parser, results_of


def main() -> None:
    """Write the tables that the arguments name."""
    from retort.reporting.exhibits import TABLES
    from retort.reporting.tables import write_table

    arguments: argparse.Namespace = exhibit_parser(__doc__ or "", list(TABLES), "tables").parse_args()
    results = results_of(arguments)
    for name in arguments.exhibits:
        write_table(TABLES[name](results), arguments.out or results.root / results.paper / "tables")


if __name__ == "__main__":
    run_cli(main)
