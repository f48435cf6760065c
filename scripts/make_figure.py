#!/usr/bin/env python3
"""Make figures of a finished run: PNG, SVG, and the plotted numbers as CSV."""

from __future__ import annotations

from retort.errors import run_cli
from retort.reporting.arguments import chosen, exhibit_parser, results_of


def main() -> None:
    """Write the figures that the arguments name."""
    from retort.reporting.exhibits import exhibits_of, write_figure

    arguments = exhibit_parser(__doc__ or "", "figures").parse_args()
    results = results_of(arguments)
    for name in chosen(arguments, exhibits_of(results.paper).figures):
        write_figure(results, name, arguments.out or results.root / results.paper / "figures")


if __name__ == "__main__":
    run_cli(main)
