"""Generate, check or fetch the raw data of a configuration."""

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Write manifest.json and whatever the source derives."""
    plan = plan_of(plan_parser(__doc__ or "").parse_args())

    from retort.data.prepare import provide

    provide(plan.config, plan.layout.data(plan.data))


if __name__ == "__main__":
    run_cli(main)
