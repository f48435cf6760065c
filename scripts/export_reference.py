#!/usr/bin/env python3
"""Copy the exhibits of a finished run, without models, to a folder that can be committed."""

from __future__ import annotations

from pathlib import Path

from retort.errors import run_cli
from retort.reporting.arguments import results_of, results_parser


def main() -> None:
    """Write the folder anew, with a part for each paper of the run."""
    from retort.reporting.exhibits import shown_papers
    from retort.reporting.reference import write_reference

    parser = results_parser(__doc__ or "")
    parser.add_argument("--out", type=Path, default=Path("results/reference"), help="folder to write")
    arguments = parser.parse_args()
    write_reference(shown_papers(results_of(arguments, "glmd")), arguments.out)


if __name__ == "__main__":
    run_cli(main)
