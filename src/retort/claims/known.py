"""Which cells a ledger can name: a misspelt one would only ever be "not run"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.kinds import PLACES
from retort.claims.ledger import Claim
from retort.claims.naming import cells_of
from retort.config.messages import nearest
from retort.errors import InputError
from retort.recipes.glmd_variants import VARIANTS
from retort.recipes.registry import RECIPES

if TYPE_CHECKING:
    from retort.reporting.results import Results


def check_known(claims: Sequence[Claim], results: Results, ledger: Path) -> None:
    """Each cell has to be the paper's, a variant or the run's.

    Raises:
        InputError: one is not.
    """
    methods, pairs = _known(results)
    for claim in claims:
        for cell in cells_of(claim.test):
            if cell.method not in methods:
                remedy = nearest(cell.method, sorted(methods))
                raise InputError(f"{ledger}: claim {claim.id}: no method {cell.method!r}; {remedy}")
            if cell.pair not in pairs:
                remedy = nearest(cell.pair, sorted(pairs - {""}))
                raise InputError(f"{ledger}: claim {claim.id}: no pair {cell.pair!r}; {remedy}")


def _known(results: Results) -> tuple[set[str], set[str]]:
    """Methods and pairs."""
    methods, pairs = set(results.scores["method"]), set(results.scores["pair"])
    if results.paper == "glmd":
        rows = results.published_table("table3")
        methods |= {*rows["method"], *(variant.method.name for variant in VARIANTS)}
        return methods, pairs | {*rows["config"], *results.config.pairs}
    recipes = RECIPES[results.paper]
    known = {method.name for method in (*recipes.methods, *(method for method, _ in recipes.variants))}
    planned = {
        f"{teacher}-{model}"
        for track in results.tracks.values()
        for teacher in track.teachers
        for model in track.models
    }
    return methods | known, pairs | planned | set(PLACES)
