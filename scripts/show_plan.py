#!/usr/bin/env python3
"""Show what a configuration costs and what stages it has: who uses each, what sharing saves. Runs nothing."""

from retort.cli import plan_of, plan_parser, positive
from retort.errors import run_cli


def main() -> None:
    """Print the whole plan, or one stage as JSON."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--stage", help="id of one stage to show with its settings and files")
    parser.add_argument("--devices", type=positive, help="devices that work at the same time")
    parser.add_argument("--all", action="store_true", help="list all stages, however many there are")
    arguments = parser.parse_args()
    plan = plan_of(arguments)

    from retort.plan_view import details, overview

    if arguments.stage:
        print(details(plan, arguments.stage))
    else:
        print(overview(plan, arguments.devices, arguments.all))


if __name__ == "__main__":
    run_cli(main)
