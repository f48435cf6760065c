"""A stage's job as a workflow runs it: stopped, started twice or asked for again, it repeats nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext

from retort.models.checkpoint import WEIGHTS
from retort.stages import Stage
from retort.training.finished import publish
from retort.training.lease import Lease
from retort.training.setup import Job, scratch_folder


def run_stage(stage: Stage, job: Job, train: Callable[[Stage, Job], None]) -> None:
    """Make a stage's results, or publish them again where they were made before and kept.

    Whoever else works on the stage, on whatever machine, is waited for.

    Args:
        stage: to run.
        job: how it is run here.
        train: makes, keeps and publishes the results.

    Raises:
        Interrupted: the job was asked to stop.
    """
    # One of the processes that work on the stage together speaks for all.
    with Lease(job.layout.leases, stage.id) if job.world.first else nullcontext():
        kept = job.layout.kept(scratch_folder(stage, job))
        if not job.world.agree(kept.is_dir()):
            train(stage, job)
        elif job.world.first:
            publish(kept, job.layout.stage(stage), "metrics.json" if stage.phase == "task" else WEIGHTS)
            print(f"{stage.id}: was finished before; published again from {kept}", file=sys.stderr)
