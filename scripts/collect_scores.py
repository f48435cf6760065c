"""Collect the scores of all finished cells into one table."""

from retort.cli import plan_of, plan_parser
from retort.errors import InputError, run_cli
from retort.papers import PAPERS


def main() -> None:
    """Write scores.csv and hyper_parameters.csv."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--paper", default="glmd", choices=PAPERS, help="whose scores")
    arguments = parser.parse_args()
    plan = plan_of(arguments)
    if arguments.paper not in plan.config.papers:
        raise InputError(
            f"--paper: this configuration does not run {arguments.paper}; it runs "
            f"{', '.join(plan.config.papers)}"
        )

    from retort.evaluation.collect import collect_scores

    collect_scores(plan, arguments.paper)


if __name__ == "__main__":
    run_cli(main)
