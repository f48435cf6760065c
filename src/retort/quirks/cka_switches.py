"""What the switches of the CKA paper's ledger do."""

from __future__ import annotations

from dataclasses import replace

from retort.distill.alignment import CKA, GatheredCKA
from retort.distill.distances import KL, ReverseKL
from retort.distill.objective import Objective, Term
from retort.models.hf.architecture import Slices
from retort.quirks.switches import Change
from retort.recipes import Method, pretrain


def squared(term: Term) -> Term:
    """Linear CKA itself instead of its root."""
    return replace(term, by=replace(term.by, squared=True)) if isinstance(term.by, CKA) else term


def gathered(term: Term) -> Term:
    """CKA of the whole batch, however it is split."""
    by = term.by
    return replace(term, by=GatheredCKA(by.squared, by.precision, by.eps)) if isinstance(by, CKA) else term


def forward(term: Term) -> Term:
    """KL(teacher || student) instead of the reverse."""
    by = term.by
    return replace(term, by=KL(by.temperature)) if isinstance(by, ReverseKL) else term


def unheated(term: Term) -> Term:
    """Temperature 1."""
    by = term.by
    return replace(term, by=replace(by, temperature=1.0)) if isinstance(by, KL) else term


def own_positions(term: Term) -> Term:
    """Decoder states where words are predicted."""
    return replace(term, mask="valid") if term.mask == "shifted" else term


def cut(change: dict[str, object]) -> Change:
    """Start the student with other layers or tensors."""

    def changed(method: Method) -> Method:
        assert isinstance(method.cut, Slices)
        return replace(method, cut=replace(method.cut, **change))  # type: ignore[arg-type]

    return changed


def without_hidden_states(method: Method) -> Method:
    """The corpus stage without the term that the method is to do without."""
    first, *others = method.steps
    terms = tuple(term for term in first.objective.terms if term.layers is None)
    return replace(method, steps=(pretrain(Objective(terms)), *others))
