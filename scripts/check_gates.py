"""Stop the run if a teacher is not good enough to learn from."""

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Write gates.json, or fail with one line that says what was missed."""
    plan = plan_of(plan_parser(__doc__ or "").parse_args())

    from retort.evaluation.gates import check_gates

    check_gates(plan)


if __name__ == "__main__":
    run_cli(main)
