"""Summarisation by student size and method, beside the teacher and beside copying the source."""

from __future__ import annotations

from dataclasses import replace

from retort.reporting.cka.by_data_set import Kept, by_data_set, signatures
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.tables import Table

_KEPT = Kept(
    "summarisation",
    "ROUGE by student and method",
    "summarisation",
    ("rouge1", "rouge2", "rougeL", "rougeLsum"),
)


def summarisation(results: Results) -> Table:
    """ROUGE of teachers and students on every set."""
    return _table(results, PAPER)


def summarisation_held_out(results: Results) -> Table:
    """The same under the held-out protocol."""
    return _table(results, HELD_OUT)


def _table(results: Results, protocol: str) -> Table:
    note = (
        "ROUGE F-measures, mean over examples; R-Lsum takes lines for sentences. Package rouge-score: "
        f"{signatures('summarisation')['rouge2']}. Baseline copy: the source itself."
    )
    return by_data_set(results, replace(_KEPT, notes=(note,)), protocol)
