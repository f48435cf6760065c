#!/usr/bin/env python3
"""Show the stages of a configuration: what each stands on, who uses it, what sharing saves."""

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Print the whole plan, or one stage as JSON."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--stage", help="id of one stage to show with its settings and files")
    arguments = parser.parse_args()
    plan = plan_of(arguments)

    from retort.plan_view import details, overview

    print(details(plan, arguments.stage) if arguments.stage else overview(plan))


if __name__ == "__main__":
    run_cli(main)
