#!/usr/bin/env python3
"""Print the main numbers of a finished run, and where its tables, figures and page are."""

from __future__ import annotations

import sys

from retort.errors import run_cli
from retort.reporting.arguments import results_of, results_parser


def main() -> None:
    """Print a few lines for each paper."""
    from retort.reporting.exhibits import shown_papers
    from retort.reporting.headline import headline, show

    parser = results_parser(__doc__ or "")
    parser.add_argument("--plain", action="store_true", help="no colours, even on a terminal")
    arguments = parser.parse_args()
    for results in shown_papers(results_of(arguments, "glmd")):
        show(headline(results), arguments.plain or not sys.stdout.isatty())


if __name__ == "__main__":
    run_cli(main)
