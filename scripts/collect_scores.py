"""Collect the scores of all finished cells into one table."""

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Write scores.csv and hyper_parameters.csv."""
    plan = plan_of(plan_parser(__doc__ or "").parse_args())

    from retort.evaluation.collect import collect_scores

    collect_scores(plan)


if __name__ == "__main__":
    run_cli(main)
