"""What must stand below a table of scores so that nobody reads more into it than is there."""

from __future__ import annotations

from retort.data.superglue.tasks import TASKS
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT, PROTOCOLS

FULL_SCALE = "paper"


def protocol_notes(results: Results, protocol: str, held_out_beside: bool = False) -> list[str]:
    """Scale, seeds, what a cell holds, how checkpoints were selected, and whether the paper compares."""
    config = results.config
    seeds = ", ".join(map(str, config.seeds))
    what = "mean ± sample standard deviation over training seeds" if len(config.seeds) > 1 else "one run"
    plural = "s" if len(config.seeds) > 1 else ""
    notes = [f"Scale {config.scale}: data source {config.data.source}, seed{plural} {seeds}; {what}."]
    if len(config.seeds) == 1:
        notes.append("A single seed has no spread: differences of a few points mean nothing.")
    notes.append(f"Selection protocol {protocol}: {PROTOCOLS[protocol]}.")
    if held_out_beside:
        notes.append(f"Held out: {PROTOCOLS[HELD_OUT]}.")
    if set(config.tasks) != set(TASKS):
        notes.append(f"The score is the mean over {len(config.tasks)} tasks only: {', '.join(config.tasks)}.")
    if config.scale != FULL_SCALE:
        notes.append(
            "The paper's numbers are from its own data and from models of 14M to 10B parameters: "
            "compare orders and gaps, not levels."
        )
    return notes
