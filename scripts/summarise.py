#!/usr/bin/env python3
"""Print the main numbers of a finished run, and where its tables, figures and page are."""

from __future__ import annotations

import sys

from retort.errors import run_cli
from retort.reporting.arguments import results_parser
from retort.reporting.results import Results


def main() -> None:
    """Print a few lines for each paper."""
    from retort.reporting.headline import headline, show

    parser = results_parser(__doc__ or "")
    parser.add_argument("--plain", action="store_true", help="no colours, even on a terminal")
    arguments = parser.parse_args()
    config = Results(arguments.results).config
    for paper in config.papers:
        results = Results(arguments.results, paper, arguments.published)
        show(headline(results), arguments.plain or not sys.stdout.isatty())


if __name__ == "__main__":
    run_cli(main)
