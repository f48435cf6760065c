"""Time teachers and students of a paper on transformers models on a batch of texts."""

from __future__ import annotations

import os

from retort.cli import plan_of, plan_parser, positive
from retort.errors import InputError, run_cli
from retort.papers import PAPERS
from retort.texts import text_papers, text_part
from retort.track_models import architectures


def main() -> None:
    """Write speed.csv; the words of each track are encoded."""
    parser = plan_parser(__doc__ or "")
    parser.add_argument("--paper", required=True, choices=PAPERS, help="whose models")
    parser.add_argument("--threads", type=positive, default=1, help="threads on a CPU")
    arguments = parser.parse_args()
    plan, paper = plan_of(arguments), arguments.paper
    config, section = plan.config, plan.config.section(paper)
    if section is None or paper not in config.papers:
        timed = ", ".join(text_papers(config)) or "none"
        raise InputError(f"--paper: this configuration has no tracks of {paper} to time; it has {timed}")
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))

    from retort.evaluation.speed import measure_speed
    from retort.training.setup import choose_device, prepare_process

    prepare_process(arguments.threads)
    words = {name: plan.layout.text(plan.text[text_part(paper, name)]) for name in section.tracks}
    tokenizers = {name: folder / "tokenizer.json" for name, folder in words.items()}
    out = plan.layout.root / paper / "speed.csv"
    device = choose_device(config.device, config.jobs_per_gpu)
    measure_speed(paper, section, architectures(section), tokenizers, out, device)


if __name__ == "__main__":
    run_cli(main)
