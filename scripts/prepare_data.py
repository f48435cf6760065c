"""Generate, check or fetch the raw data of a configuration."""

from retort.cli import part_parser, parts_of, plan_of
from retort.errors import run_cli


def main() -> None:
    """Write manifest.json and whatever the source derives, for the corpus and for each task."""
    arguments = part_parser(__doc__ or "").parse_args()
    plan = plan_of(arguments)

    from retort.data.parts import provide

    for part in parts_of(arguments, plan.data):
        provide(plan.config, part, plan.layout.data(plan.data[part]))


if __name__ == "__main__":
    run_cli(main)
