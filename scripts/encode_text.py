"""Tokenise the corpus and the tasks of a configuration."""

from retort.cli import part_parser, parts_of, plan_of
from retort.errors import run_cli


def main() -> None:
    """Write tokenizer, word frequencies and encoded corpus, and the encoded examples of each task."""
    arguments = part_parser(__doc__ or "").parse_args()
    plan = plan_of(arguments)

    from retort.data.parts import encode_part

    for part in parts_of(arguments, plan.text):
        encode_part(plan, part)


if __name__ == "__main__":
    run_cli(main)
