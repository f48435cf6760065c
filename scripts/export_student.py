#!/usr/bin/env python3
"""Write the model of a finished task run as a transformers folder, with tokenizer and model card."""

from __future__ import annotations

from pathlib import Path

from retort.cli import plan_of, plan_parser
from retort.errors import run_cli


def main() -> None:
    """Write the folder."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--stage", required=True, help="id of a task stage; 'make plan' lists them")
    parser.add_argument("--task", required=True, help="one of its tasks, or a run of a search")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    plan = plan_of(arguments)
    stage = plan.stage(arguments.stage)

    from retort.evaluation.decoding import Decoding
    from retort.exports.runs import export_run
    from retort.exports.subjects import subject_of
    from retort.stages import task_of

    subject, task = subject_of(plan, stage.id, task_of(arguments.task))
    decoding = None if task.decoding is None else Decoding(**task.decoding.model_dump())
    run, words = plan.layout.task_model(stage, arguments.task), plan.layout.text(stage.data)
    export_run(run, words, subject, decoding, arguments.out)


if __name__ == "__main__":
    run_cli(main)
