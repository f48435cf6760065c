"""Fine-tune a teacher or distil a student on tasks (one stage)."""

from retort.cli import stage_job, stage_parser
from retort.errors import run_cli


def main() -> None:
    """Train the stage on its tasks, resuming from a saved state where there is one."""
    stage, job = stage_job(stage_parser(__doc__ or "").parse_args())

    from retort.training.tasks import train_tasks

    with job.world:
        train_tasks(stage, job)


if __name__ == "__main__":
    run_cli(main)
