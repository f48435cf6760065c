#!/usr/bin/env python3
"""Judge the claims of a paper on a finished run: supported, contradicted, undecided or not run."""

from __future__ import annotations

from pathlib import Path

from retort.errors import run_cli
from retort.reporting.arguments import results_of, results_parser


def main() -> None:
    """Write claims.csv of one paper."""
    from retort.claims.judging import judge
    from retort.claims.ledger import ledger_path
    from retort.claims.writing import FILE, write_claims

    parser = results_parser(__doc__ or "")
    parser.add_argument("--paper", default="glmd", help="whose claims (default: %(default)s)")
    parser.add_argument("--ledger", type=Path, help="claims (default: resources/claims/<paper>.yaml)")
    parser.add_argument("--out", type=Path, help="file to write (default: <results>/<paper>/claims.csv)")
    arguments = parser.parse_args()
    results = results_of(arguments)
    ledger = arguments.ledger or ledger_path(results.paper)
    write_claims(judge(results, ledger), arguments.out or results.root / results.paper / FILE)


if __name__ == "__main__":
    run_cli(main)
