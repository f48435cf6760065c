#!/usr/bin/env python3
"""Make tables of a finished run: CSV, Markdown and LaTeX."""

from __future__ import annotations

from retort.errors import run_cli
from retort.reporting.arguments import chosen, exhibit_parser, results_of


def main() -> None:
    """Write the tables that the arguments name."""
    from retort.reporting.exhibits import exhibits_of
    from retort.reporting.tables import write_table

    arguments = exhibit_parser(__doc__ or "", "tables").parse_args()
    results = results_of(arguments)
    for table in chosen(arguments, exhibits_of(results.paper).tables).values():
        write_table(table(results), arguments.out or results.root / results.paper / "tables")


if __name__ == "__main__":
    run_cli(main)
