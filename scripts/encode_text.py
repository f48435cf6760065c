"""Tokenise the corpus and the tasks of a configuration."""

from retort.cli import part_parser, parts_of, plan_of
from retort.errors import run_cli
from retort.texts import CORPUS


def main() -> None:
    """Write tokenizer, word frequencies and encoded corpus, and the encoded examples of each task."""
    arguments = part_parser(__doc__ or "").parse_args()
    plan = plan_of(arguments)

    from retort.data.prepare import encode_examples, encode_text

    corpus = plan.layout.text(plan.text[CORPUS])
    for part in parts_of(arguments, plan):
        manifest = plan.layout.data(plan.data[part]) / "manifest.json"
        if part == CORPUS:
            encode_text(plan.config, manifest, corpus)
        else:
            encode_examples(plan.config, part, manifest, corpus, plan.layout.text(plan.text[part]))


if __name__ == "__main__":
    run_cli(main)
