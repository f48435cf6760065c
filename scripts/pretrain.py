"""Pretrain a teacher or a student, or distil a student on the corpus (one stage)."""

from retort.cli import stage_job, stage_parser
from retort.errors import run_cli


def main() -> None:
    """Train the stage, resuming from a saved state where there is one."""
    stage, job = stage_job(stage_parser(__doc__ or "").parse_args())

    from retort.training.pretraining import import_teacher, pretrain

    with job.world:
        if stage.imported is None:
            pretrain(stage, job)
        elif job.world.first:
            import_teacher(stage, job)


if __name__ == "__main__":
    run_cli(main)
