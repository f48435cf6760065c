"""Quirks: where papers, their code and the methods they cite disagree, and what to do about it.

``as_run`` is what produced the published numbers and the default. Other switches rewrite a method, so
that the difference can be measured: ``as_published`` follows a publication (the paper's or the method's
own), ``fixed`` mends what nobody meant. Where released code cannot have made the published numbers, what is
run follows the publication, and ``as_released`` does what that code does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retort.config.messages import nearest
from retort.errors import InputError
from retort.quirks.atkd import ATKD_LEDGER
from retort.quirks.cka import CKA_LEDGER
from retort.quirks.ledger import LEDGER
from retort.quirks.quirk import Quirk
from retort.quirks.switches import Change
from retort.recipes import Method

__all__ = ["ATKD_LEDGER", "CKA_LEDGER", "LEDGER", "LEDGERS", "Quirk", "chosen_switches", "rewrite", "rows_of"]

LEDGERS: tuple[Quirk, ...] = (*LEDGER, *CKA_LEDGER, *ATKD_LEDGER)
"""Of all papers: that of GLMD, that of CKA, that of ATKD."""


def chosen_switches(chosen: Mapping[str, str]) -> list[tuple[Quirk, Change]]:
    """The switches that are not ``as_run``, in the ledger's order.

    Raises:
        InputError: no such quirk, or it has no such switch.
    """
    by_id = {quirk.id: quirk for quirk in LEDGERS}
    for name, switch in chosen.items():
        if name not in by_id:
            raise InputError(f"quirks.{name}: no such quirk; {nearest(name, sorted(by_id))}")
        offered = ["as_run", *by_id[name].switches]
        if switch not in offered:
            raise InputError(f"quirks.{name}: no switch {switch!r}; it has {', '.join(offered)}")
    changed = [quirk for quirk in LEDGERS if chosen.get(quirk.id, "as_run") != "as_run"]
    return [(quirk, quirk.switches[chosen[quirk.id]]) for quirk in changed]


def quirk_of(name: str) -> Quirk:
    """The entry of the ledger with an id.

    Raises:
        InputError: there is none.
    """
    by_id = {quirk.id: quirk for quirk in LEDGERS}
    if name not in by_id:
        raise InputError(f"variants.quirks: no quirk {name!r}; {nearest(name, sorted(by_id))}")
    return by_id[name]


def switches_of(name: str) -> Mapping[str, Change]:
    """What a quirk offers instead of ``as_run``.

    Raises:
        InputError: no such quirk, or it is documented only.
    """
    switches = quirk_of(name).switches
    if not switches:
        raise InputError(f"variants.quirks: {name} has no switch to try; leave it out")
    return switches


def rewrite(method: Method, chosen: Mapping[str, str], row: str | None = None) -> Method:
    """A method with the chosen switches applied, of those quirks that concern it (or the ``row`` it varies).

    Raises:
        InputError: no such quirk, or it has no such switch.
    """
    for quirk, change in chosen_switches(chosen):
        if quirk.concerns(row or method.name):
            method = change(method)
    return method


def rows_of(quirk: Quirk, methods: Sequence[Method]) -> tuple[str, ...]:
    """Names of the methods that a quirk concerns, in their order; none where it is about every one.

    A quirk that names none concerns those that one of its switches changes.
    """
    if quirk.methods or not quirk.switches:
        return tuple(method.name for method in methods if method.name in quirk.methods)
    changes = quirk.switches.values()
    return tuple(method.name for method in methods if any(change(method) != method for change in changes))
