"""The methods that a configuration names."""

from __future__ import annotations

from pathlib import Path

from retort.config.messages import nearest
from retort.config.model import Config
from retort.errors import InputError
from retort.quirks import rewrite
from retort.recipes import Method
from retort.recipes.glmd import METHODS
from retort.recipes.glmd_variants import VARIANTS
from retort.recipes.own import own_methods


def chosen_methods(config: Config, own: tuple[Method, ...]) -> tuple[Method, ...]:
    """GLMD's, in the configuration's order, and all of the user's ``own``; quirks applied.

    Raises:
        InputError: a method that no recipe has.
    """
    known = {method.name: method for method in (*METHODS, *own)}
    missing = [name for name in config.methods if name not in known]
    if missing:
        raise InputError(f"methods: no recipe for {missing[0]!r}; {nearest(missing[0], list(known))}")
    names = dict.fromkeys((*config.methods, *(method.name for method in own)))
    return tuple(rewrite(known[name], config.quirks) for name in names)


def own_of(config: Config) -> tuple[Method, ...]:
    """The methods of the user's own recipe file.

    Raises:
        InputError: the file does not give any.
    """
    taken = [*METHODS, *(variant.method for variant in VARIANTS)]
    names = [method.name for method in taken]
    return () if config.recipes is None else own_methods(Path(config.recipes), names)
