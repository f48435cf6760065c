"""Time teachers and students of the CKA paper on a batch of texts."""

from __future__ import annotations

import os

from retort.cli import plan_of, plan_parser, positive
from retort.errors import InputError, run_cli
from retort.texts import text_part
from retort.track_models import architectures


def main() -> None:
    """Write speed.csv; the words of each track are encoded."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    arguments = parser.parse_args()
    plan = plan_of(arguments)
    config = plan.config
    if config.cka is None or "cka" not in config.papers:
        raise InputError("papers: this configuration does not run cka; name one that does")
    words = {name: plan.layout.text(plan.text[text_part("cka", name)]) for name in config.cka.tracks}
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))

    from retort.evaluation.speed import measure_speed
    from retort.training.setup import choose_device, prepare_process

    prepare_process(arguments.threads)
    tokenizers = {name: folder / "tokenizer.json" for name, folder in words.items()}
    out = plan.layout.root / "cka" / "speed.csv"
    device = choose_device(config.device, config.jobs_per_gpu)
    measure_speed(config.cka, architectures(config.cka), tokenizers, out, device)


if __name__ == "__main__":
    run_cli(main)
