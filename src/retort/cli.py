"""What the scripts of training steps share: their arguments, and the stage and job behind them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config import load
from retort.errors import InputError
from retort.plan import Plan
from retort.runcard import Request

if TYPE_CHECKING:
    from retort.stages import Stage
    from retort.training.setup import Job


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"given {text!r}, expected a whole number, 1 or more")
    return int(text)


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
    parser.add_argument("--threads", type=positive, default=1, help="threads of all processes of this job")
    return parser


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan of the configuration that the arguments name.

    Raises:
        InputError: a configuration that does not hold, or ``--results`` that is no folder.
    """
    if arguments.results.exists() and not arguments.results.is_dir():
        raise InputError(f"--results: {arguments.results} is a file; name a folder")
    return Plan(load(arguments.config), arguments.results)


def part_parser(description: str) -> argparse.ArgumentParser:
    """A parser for steps that make one part of the data."""
    parser = plan_parser(description)
    parser.add_argument("--part", help="'corpus' or a task (default: all, one after the other)")
    return parser


def parts_of(arguments: argparse.Namespace, parts: Mapping[str, str]) -> list[str]:
    """Those of a plan's parts of the data that the arguments name, corpora first.

    Raises:
        InputError: the plan has no such part.
    """
    if arguments.part is not None and arguments.part not in parts:
        raise InputError(f"--part: no {arguments.part!r} in this plan; there are {', '.join(parts)}")
    return list(parts) if arguments.part is None else [arguments.part]


def stage_job(arguments: argparse.Namespace, plan: Plan | None = None, gpu: bool = True) -> tuple[Stage, Job]:
    """The stage that the arguments name, and how to run it here (imports torch); ``plan``: if made.

    A step that never uses a ``gpu`` says so, or it would wait for one and keep it from others.
    """
    # Threads must be settled before torch makes its pools of them.
    threads = max(1, arguments.threads // int(os.environ.get("WORLD_SIZE", "1")))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    plan = plan or plan_of(arguments)
    stage = plan.stage(arguments.stage)

    config = plan.config
    request = Request.made_now(config.model_dump(mode="json"))

    from retort.training.distribution import current_world
    from retort.training.setup import Job, choose_device, prepare_process

    prepare_process(threads)
    world = current_world()
    request = replace(request, command=(*_launcher(world.size), *sys.argv))
    device = world.device(choose_device(config.device if gpu else "cpu", config.jobs_per_gpu, world.size))
    return stage, Job(plan.layout, plan.code(stage), device, request, world)


def _launcher(processes: int) -> tuple[str, ...]:
    return ("python",) if processes == 1 else ("torchrun", "--nproc-per-node", str(processes))
