"""Pretrain a teacher or a student, or distil a student on the corpus (one stage)."""

from retort.cli import stage_job, stage_parser
from retort.errors import run_cli
from retort.training import interruption


def main() -> None:
    """Train the stage, resuming from a saved state where there is one."""
    arguments = stage_parser(__doc__ or "").parse_args()
    with interruption.listening():
        stage, job = stage_job(arguments)

        from retort.training.pretraining import import_teacher, pretrain
        from retort.training.session import run_stage

        with job.world:
            run_stage(stage, job, pretrain if stage.imported is None else import_teacher)


if __name__ == "__main__":
    run_cli(main)
