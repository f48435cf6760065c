"""Translation by student size and method, beside the teacher and beside copying the source."""

from __future__ import annotations

from dataclasses import replace

from retort.reporting.cka.by_data_set import Kept, by_data_set, signatures
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.tables import Table

_KEPT = Kept("translation", "BLEU and chrF by student and method", "translation", ("bleu", "chrf"))


def translation(results: Results) -> Table:
    """BLEU and chrF of teachers and students on every language pair."""
    return _table(results, PAPER)


def translation_held_out(results: Results) -> Table:
    """The same under the held-out protocol."""
    return _table(results, HELD_OUT)


def _table(results: Results, protocol: str) -> Table:
    how = signatures("translation")
    note = (
        f"Of the whole corpus, with sacrebleu. BLEU: {how['bleu']}; chrF: {how['chrf']}. "
        "Baseline copy: the source itself."
    )
    return by_data_set(results, replace(_KEPT, notes=(note,)), protocol)
