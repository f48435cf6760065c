"""What must stand below a table of scores so that nobody reads more into it than is there."""

from __future__ import annotations

from collections.abc import Iterator

from retort.config import Config
from retort.data.superglue.tasks import TASKS
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT, PROTOCOLS

FULL_SCALE = "paper"


def protocol_notes(results: Results, protocol: str, held_out_beside: bool = False) -> list[str]:
    """Scale, seeds, what a cell holds, how checkpoints were selected, and whether the paper compares."""
    config, trained = results.config, results.seeds
    seeds = ", ".join(map(str, trained))
    what = "mean ± sample standard deviation over training seeds" if len(trained) > 1 else "one run"
    plural = "s" if len(trained) > 1 else ""
    notes = [f"Scale {config.scale}: data source {config.data.source}, seed{plural} {seeds}; {what}."]
    if len(trained) == 1:
        notes.append("A single seed has no spread: differences of a few points mean nothing.")
    notes.append(f"Selection protocol {protocol}: {PROTOCOLS[protocol]}.")
    if held_out_beside:
        notes.append(f"Held out: {PROTOCOLS[HELD_OUT]}.")
    return [*notes, *_OF_PAPER[results.paper](config)]


def _superglue(config: Config) -> Iterator[str]:
    if set(config.tasks) != set(TASKS):
        yield f"The score is the mean over {len(config.tasks)} tasks only: {', '.join(config.tasks)}."
    if config.scale != FULL_SCALE:
        yield (
            "The paper's numbers are from its own data and from models of 14M to 10B parameters: "
            "compare orders and gaps, not levels."
        )


def _families(config: Config) -> Iterator[str]:
    if config.scale != FULL_SCALE:
        yield "Models and data are smaller than the paper's: compare orders and gaps, not levels."


_OF_PAPER = {"glmd": _superglue, "cka": _families, "atkd": _families}
