"""Run a fine-tuned teacher once over the training examples of its tasks and store its signals."""

from retort.cli import stage_job, stage_parser
from retort.errors import run_cli


def main() -> None:
    """Write one signals file a task."""
    stage, job = stage_job(stage_parser(__doc__ or "").parse_args())

    from retort.training.signals import store_signals

    store_signals(stage, job)


if __name__ == "__main__":
    run_cli(main)
