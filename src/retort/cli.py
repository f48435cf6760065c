"""What the scripts of training steps share: their arguments, and the stage and job behind them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config import load
from retort.errors import InputError
from retort.files import digest_of
from retort.plan import Plan

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
    parser.add_argument("--threads", type=positive, default=1, help="threads of this process")
    return parser


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan of the configuration that the arguments name.

    Raises:
        InputError: a configuration that does not hold, or ``--results`` that is no folder.
    """
    if arguments.results.exists() and not arguments.results.is_dir():
        raise InputError(f"--results: {arguments.results} is a file; name a folder")
    return Plan(load(arguments.config), arguments.results)


def stage_job(arguments: argparse.Namespace) -> tuple[Stage, Job]:
    """The stage that the arguments name, and how to run it here (imports torch)."""
    # One thread a job must be settled before torch makes its thread pools.
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    plan = plan_of(arguments)
    stage = plan.stage(arguments.stage)

    from retort.training.setup import Job, choose_device, prepare_process

    prepare_process(arguments.threads)
    config = plan.config
    job = Job(
        layout=plan.layout,
        code=plan.code(stage),
        device=choose_device(config.device),
        config_digest=digest_of(config.model_dump(mode="json")),
        command=("python", *sys.argv),
    )
    return stage, job
