"""What an entry of the ledger holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retort.quirks.switches import Change


@dataclass(frozen=True)
class Quirk:
    """One disagreement.

    Attributes:
        id: name in the configuration.
        methods: rows of the tables that it concerns; empty: every row that has what it is about.
        evidence: what shows it.
        effect: what it does to a run.
        switches: what to do instead of ``as_run``; a quirk without switches is documented only.
        setting: ``key: value`` of the configuration that does it the other way, where there is one.
    """

    id: str
    methods: tuple[str, ...]
    evidence: str
    effect: str
    switches: Mapping[str, Change] = field(default_factory=dict)
    setting: str = ""

    def concerns(self, method: str) -> bool:
        """Whether it concerns a row."""
        return not self.methods or method in self.methods
