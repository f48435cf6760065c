"""The quirks of each paper, as the page lists them."""

from __future__ import annotations

from typing import NamedTuple

from retort.quirks import ATKD_LEDGER, CKA_LEDGER, LEDGER, Quirk, rows_of
from retort.recipes import atkd, cka, glmd
from retort.reporting.results import Results

_LEDGERS = {
    "glmd": (LEDGER, glmd.METHODS),
    "cka": (CKA_LEDGER, cka.METHODS),
    "atkd": (ATKD_LEDGER, atkd.METHODS),
}


class QuirkLine(NamedTuple):
    """A quirk, the way this run went, and the methods that it concerns (none: all)."""

    quirk: Quirk
    switch: str
    methods: tuple[str, ...]


def quirk_lines(results: Results) -> list[QuirkLine]:
    """The ledger of a paper."""
    ledger, methods = _LEDGERS[results.paper]
    chosen = results.config.quirks
    return [QuirkLine(quirk, chosen.get(quirk.id, "as_run"), rows_of(quirk, methods)) for quirk in ledger]
