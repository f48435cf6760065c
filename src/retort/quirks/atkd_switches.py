"""What the switches of the ATKD paper's ledger do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from retort.distill.decoupled import Decoupled
from retort.distill.divergences import AlphaBeta, GeneralisedJSD, Jeffreys
from retort.distill.objective import Term
from retort.distill.positions import Positions, TokenGroup


def _chosen(change: Callable[[Positions], Positions]) -> Callable[[Term], Term]:
    """A change of the words that count in a word term, whose mask is a value or means ``predicted``."""

    def changed(term: Term) -> Term:
        if term.site != "words":
            return term
        if isinstance(term.mask, Positions):
            return replace(term, mask=change(term.mask))
        return replace(term, mask=change(Positions())) if term.mask == "predicted" else term

    return changed


in_micro_batches = _chosen(lambda mask: replace(mask, scope="micro_batch"))
"""Rank words, and take means, in each micro-batch."""

without_last_word = _chosen(lambda mask: replace(mask, last=False))
"""Never learn how a text ends."""

with_last_prompt_word = _chosen(lambda mask: replace(mask, first=True))
"""One word of the prompt is a target."""

ignored_words = _chosen(lambda mask: replace(mask, of="ignored", scope="micro_batch"))
"""Learn on prompts and padding, and on nothing else."""


def split_at_median(term: Term) -> Term:
    """Hard from the lower median on."""
    mask = term.mask
    if not isinstance(mask, TokenGroup) or mask.share != 0.5:
        return term
    return replace(term, mask=replace(mask, split="median"))


def mean_over_all_words(term: Term) -> Term:
    """Both groups' sums over the number of all words."""
    mask = term.mask
    return replace(term, mask=replace(mask, mean="words")) if isinstance(mask, TokenGroup) else term


def jeffreys(term: Term) -> Term:
    """The two directions of KL added up, in place of a Jensen-Shannon divergence."""
    by = term.by
    return replace(term, by=Jeffreys(by.beta)) if isinstance(by, GeneralisedJSD) else term


def published_parts(term: Term) -> Term:
    """The weights of decoupled KD's own publication."""
    return replace(term, by=Decoupled(1.0, 8.0)) if isinstance(term.by, Decoupled) else term


def reverse_end(term: Term) -> Term:
    """The member of the alpha-beta family that the script runs."""
    return replace(term, by=AlphaBeta(0.0, 1.0)) if isinstance(term.by, AlphaBeta) else term
