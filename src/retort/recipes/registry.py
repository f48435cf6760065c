"""Recipes of the papers on transformers models: methods, ablations, and how their authors trained them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from retort.recipes import Method, atkd, atkd_variants, cka, cka_one_recipe
from retort.recipes.cka_settings import released_for


class Rates(Protocol):
    """Rates and decays that a method was trained with."""

    @property
    def learning_rate(self) -> float | None:
        """Peak of the student's; ``None``: an argument of the script."""
        ...

    @property
    def projection_rate(self) -> float | None:
        """Peak of lenses that have an optimiser of their own."""
        ...

    @property
    def projection_decay(self) -> float | None:
        """Their decay."""
        ...

    @property
    def weight_decay(self) -> float:
        """Of the student."""
        ...

    @property
    def schedule(self) -> Literal["linear", "cosine"]:
        """Decay to zero."""
        ...


@dataclass(frozen=True)
class Recipes:
    """Of one paper.

    Attributes:
        methods: its rows; ``variants``: its ablations, or its methods under one recipe, each with the row
            that it varies.
        rates: of a method in a phase on a task, where the authors trained methods differently.
    """

    methods: tuple[Method, ...]
    variants: tuple[tuple[Method, str], ...]
    rates: Callable[[str, Literal["pretraining", "task"], str | None], Rates | None]


def _alike(method: str, phase: Literal["pretraining", "task"], task: str | None) -> None:
    """All methods take the track's own rate and decay."""


RECIPES: dict[str, Recipes] = {
    "cka": Recipes(
        cka.METHODS, tuple((method, method.name) for method in cka_one_recipe.METHODS), released_for
    ),
    "atkd": Recipes(
        atkd.METHODS, tuple((variant.method, variant.of) for variant in atkd_variants.VARIANTS), _alike
    ),
}
