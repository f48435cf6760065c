"""Decide which words a student with a compressed vocabulary keeps, and what stands in for the others."""

from retort.cli import stage_job, stage_parser
from retort.errors import run_cli


def main() -> None:
    """Write the vocabulary map of a stage (all stages with the same map share it)."""
    stage, job = stage_job(stage_parser(__doc__ or "").parse_args(), gpu=False)

    from retort.training.vocabularies import make_vocabulary

    make_vocabulary(stage, job)


if __name__ == "__main__":
    run_cli(main)
