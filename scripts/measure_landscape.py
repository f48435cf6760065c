"""Cut through the loss around the students of a paper, with ATKD and without."""

from __future__ import annotations

import os

from retort.cli import plan_of, plan_parser, positive
from retort.errors import InputError, run_cli
from retort.papers import PAPERS


def main() -> None:
    """Write landscape.csv; the students are trained."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--paper", required=True, choices=PAPERS, help="whose students")
    parser.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    arguments = parser.parse_args()
    plan, paper = plan_of(arguments), arguments.paper
    config = plan.config
    if paper not in config.papers:
        runs = ", ".join(config.papers)
        raise InputError(f"--paper: this configuration does not run {paper}; it runs {runs}")
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))

    from retort.evaluation.slices import measure_landscape, students_of
    from retort.training.setup import choose_device, prepare_process

    prepare_process(arguments.threads)
    device = choose_device(config.device, config.jobs_per_gpu)
    measure_landscape(students_of(plan, paper), plan.layout.root / paper / "landscape.csv", device)


if __name__ == "__main__":
    run_cli(main)
