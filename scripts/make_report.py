#!/usr/bin/env python3
"""Make the report page of a finished run, one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from retort.errors import run_cli
from retort.reporting.arguments import results_parser


def main() -> None:
    """Write the page."""
    from retort.reporting.page import write_page

    parser = results_parser(__doc__ or "")
    parser.add_argument("--out", type=Path, help="HTML file to write (default: <results>/report/index.html)")
    arguments = parser.parse_args()
    out = arguments.out or arguments.results / "report" / "index.html"
    write_page(arguments.results, arguments.published, out, arguments.config)


if __name__ == "__main__":
    run_cli(main)
