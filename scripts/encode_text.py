"""Tokenise the corpus and the tasks of a configuration."""

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Write tokenizer, word frequencies, encoded corpus and encoded tasks."""
    plan = plan_of(plan_parser(__doc__ or "").parse_args())

    from retort.data.prepare import encode

    encode(plan.config, plan.layout.data(plan.data) / "manifest.json", plan.layout.text(plan.text))


if __name__ == "__main__":
    run_cli(main)
