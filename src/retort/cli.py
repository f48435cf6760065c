"""What the scripts of training steps share: their arguments, and the stage and job behind them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config import load
from retort.files import digest_of
from retort.plan import Plan

if TYPE_CHECKING:
    from retort.stages import Stage
    from retort.training.setup import Job


def plan_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every step of a plan takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--config",
        required=True,
        help="a scale's name, or a configuration file (results/<scale>/config.json of a run)",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    return parser


def stage_parser(description: str) -> argparse.ArgumentParser:
    """A parser for steps that train or use one stage."""
    parser = plan_parser(description)
    parser.add_argument("--stage", required=True, help="id of a stage; 'make plan' lists them")
    parser.add_argument("--threads", type=int, default=1, help="threads of all processes of this job")
    return parser


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan of the configuration that the arguments name."""
    return Plan(load(arguments.config), arguments.results)


def stage_job(arguments: argparse.Namespace) -> tuple[Stage, Job]:
    """The stage that the arguments name, and how to run it here (imports torch)."""
    # Threads must be settled before torch makes its pools of them.
    threads = max(1, arguments.threads // int(os.environ.get("WORLD_SIZE", "1")))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    plan = plan_of(arguments)
    stage = plan.stage(arguments.stage)

    from retort.training.distribution import current_world
    from retort.training.setup import Job, choose_device, prepare_process

    prepare_process(threads)
    world = current_world()
    config = plan.config
    job = Job(
        layout=plan.layout,
        code=plan.code(stage),
        device=world.device(choose_device(config.device)),
        config_digest=digest_of(config.model_dump(mode="json")),
        command=(*_launcher(world.size), *sys.argv),
        world=world,
    )
    return stage, job


def _launcher(processes: int) -> tuple[str, ...]:
    return ("python",) if processes == 1 else ("torchrun", "--nproc-per-node", str(processes))
