"""Generate, check or fetch the raw data of a configuration."""

from retort.cli import part_parser, parts_of, plan_of
from retort.errors import run_cli
from retort.texts import paper_of_part


def main() -> None:
    """Write manifest.json and whatever the source derives, for the corpus and for each task."""
    arguments = part_parser(__doc__ or "").parse_args()
    plan = plan_of(arguments)

    from retort.data.parts import provide_part
    from retort.data.prepare import provide

    for part in parts_of(arguments, plan.data):
        folder = plan.layout.data(plan.data[part])
        paper, name = paper_of_part(part)
        if paper == "glmd":
            provide(plan.config, part, folder)
        else:
            provide_part(plan.config, paper, name, folder)


if __name__ == "__main__":
    run_cli(main)
