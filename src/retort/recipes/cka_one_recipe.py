"""The CKA paper's methods under one recipe: they differ in how hidden states are matched, in nothing else.

The released scripts of different methods also differ in the divergence of words, its temperature, the
student's start, learning rate and weight decay, so that comparing them compares all of that at once. Here the
start is that of the family's CKA scripts, words are compared by forward KL at temperature 1, and rate and
decay are the track's own.
"""

from __future__ import annotations

from retort.distill.alignment import CKA
from retort.distill.distances import KL, MSE, BatchDistance, CosineEmbedding, Distance
from retort.distill.lenses import ChainStep, SharedProject
from retort.distill.objective import Objective, hard
from retort.models.hf.architecture import Kind, Slices
from retort.recipes import Method, Step, finetune, pretrain
from retort.recipes.cka import (
    BART_START,
    BERT_START,
    CLASSES,
    COSINE_OF,
    LINEAR_OF,
    MBART_START,
    NONE_OF,
    ONE_STACK,
    PAPER,
    T5_START,
    states,
    tokens,
)

SUFFIX = " (one recipe)"

_MATCHED: dict[str, tuple[Distance | BatchDistance, tuple[ChainStep, ...], str] | None] = {
    "CKA": (CKA(), (), PAPER),
    "linear": (MSE(), (SharedProject(),), LINEAR_OF),
    "cosine": (CosineEmbedding(), (), COSINE_OF),
    "none": None,
}


def _objective(kind: str, words: Objective, one_stack: bool) -> Objective:
    matched = _MATCHED[kind]
    if matched is None:
        return words
    by, via, _ = matched
    return words + (states(by, via, ONE_STACK) if one_stack else states(by, via))


def _method(family: str, of: Kind, start: Slices, kind: str, steps: tuple[Step, ...]) -> Method:
    matched = _MATCHED[kind]
    citation = NONE_OF if matched is None else matched[2]
    name = f"{family} {kind}{SUFFIX}"
    return Method(name, steps, citation, start="truncate", cut=start, family=of)


def _written(family: str, of: Kind, start: Slices) -> list[Method]:
    """On tasks alone, as most released scripts."""
    words = hard() + tokens(KL())
    return [
        _method(family, of, start, kind, (finetune(_objective(kind, words, False)),)) for kind in _MATCHED
    ]


def _classified() -> list[Method]:
    """On the corpus first, as BERT's scripts."""
    return [
        _method("BERT", "bert", BERT_START, kind, (pretrain(_objective(kind, tokens(KL()), True)), CLASSES))
        for kind in _MATCHED
    ]


METHODS: tuple[Method, ...] = (
    *_written("BART", "bart", BART_START),
    *_written("mBART", "mbart", MBART_START),
    *_written("T5", "t5", T5_START),
    *_classified(),
)
