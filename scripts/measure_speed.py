"""Time teachers and students of the CKA paper on a batch of texts."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from retort.cli import plan_of, plan_parser, positive
from retort.errors import InputError, run_cli
from retort.tracks import architectures


def tokenizer_of(text: str) -> tuple[str, Path]:
    """TRACK=FILE as a pair."""
    track, sign, path = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"given {text!r}, expected TRACK=FILE")
    return track, Path(path)


def main() -> None:
    """Write speed.csv."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument(
        "--tokenizer",
        action="append",
        type=tokenizer_of,
        required=True,
        metavar="TRACK=FILE",
        help="tokenizer.json of a track's texts; once for each track",
    )
    parser.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    arguments = parser.parse_args()
    plan = plan_of(arguments)
    config, tokenizers = plan.config, dict(arguments.tokenizer)
    if config.cka is None:
        raise InputError("cka: this configuration has no such section; name one that has")
    missing = [name for name in config.cka.tracks if name not in tokenizers]
    if missing:
        raise InputError(f"--tokenizer: none for track {missing[0]!r}; add {missing[0]}=FILE")
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))

    from retort.evaluation.speed import measure_speed
    from retort.training.setup import choose_device, prepare_process

    prepare_process(arguments.threads)
    out = plan.layout.root / "cka" / "speed.csv"
    device = choose_device(config.device, config.jobs_per_gpu)
    measure_speed(config.cka, architectures(config.cka), tokenizers, out, device)


if __name__ == "__main__":
    run_cli(main)
