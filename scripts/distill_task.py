"""Fine-tune a teacher or distil a student on tasks (one stage)."""

from retort.cli import plan_of, stage_job, stage_parser
from retort.errors import run_cli
from retort.training import interruption


def main() -> None:
    """Train the stage on its tasks, resuming from a saved state where there is one."""
    arguments = stage_parser(__doc__ or "").parse_args()
    with interruption.listening():
        plan = plan_of(arguments)
        stage, job = stage_job(arguments, plan)

        from retort.evaluation.gates import check_teachers
        from retort.training.session import run_stage
        from retort.training.tasks import train_tasks

        check_teachers(plan, stage)
        with job.world:
            run_stage(stage, job, train_tasks)


if __name__ == "__main__":
    run_cli(main)
