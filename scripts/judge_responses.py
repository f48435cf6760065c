#!/usr/bin/env python3
"""Compare the stored responses of two students to open questions by a local model, asked in both orders."""

from __future__ import annotations

import os
from pathlib import Path

from retort.cli import plan_of, plan_parser, positive
from retort.errors import run_cli


def main() -> None:
    """Write results/<scale>/atkd/judged/<names>.csv; say wins, ties, losses and the win rate."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--judge", type=Path, required=True, help="folder of a causal model, with tokenizer")
    parser.add_argument("--first", required=True, help="a method, e.g. 'Supervised KD + ATKD'")
    parser.add_argument("--second", required=True, help="the method that it is compared with")
    parser.add_argument("--pair", help="teacher and student, e.g. T-S (default: the only one that both have)")
    parser.add_argument("--seed", type=int, help="of both (default: the first that both have)")
    parser.add_argument(
        "--ratings", action="store_true", help="rate both against the references from 1 to 10, too"
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count() or 1, help="threads on a CPU")
    arguments = parser.parse_args()
    plan = plan_of(arguments)

    from retort.judged import Sides, judge_students, responses_of, sides_of

    sides: Sides = sides_of(plan, arguments.first, arguments.second, arguments.pair, arguments.seed)
    stored = responses_of(plan, sides)

    from retort.evaluation.local_judges import load_judge
    from retort.training.setup import choose_device, prepare_process

    prepare_process(arguments.threads)
    device = choose_device(plan.config.device, plan.config.jobs_per_gpu)
    judge = load_judge(arguments.judge, device)
    out = plan.layout.root / "atkd" / "judged" / f"{sides.slug(arguments.judge.absolute().name)}.csv"
    for line in judge_students(judge, sides, stored, out, ratings=arguments.ratings):
        print(line)


if __name__ == "__main__":
    run_cli(main)
