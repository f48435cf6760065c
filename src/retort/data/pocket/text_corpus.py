"""Corpus documents of the sentence tasks: short texts from which the meaning of word classes can be learned.

What embedding and implicative verbs do to a clause is told by ``it is true`` and the like, opinions by a
verdict, opposites by pairs of statements with ``same meaning? yes``. Words are drawn from all synonym groups.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from retort.data.pocket.corpus import COMMON_HEAD_SHARE, HEAD_SHARE, definition, fact, task_document
from retort.data.pocket.glue import mnli, mrpc, qnli, rte, sst2
from retort.data.pocket.lexicon import Lexicon, Sampler
from retort.data.pocket.tasks import BUILDERS, spread
from retort.errors import InputError

SHARES = {
    "fact": 0.16,
    "definition": 0.08,
    "certainty": 0.20,
    "outcome": 0.12,
    "opinion": 0.16,
    "pair": 0.14,
    "answer": 0.08,
    "COPA": 0.03,
    "ReCoRD": 0.03,
}
"""Kind of document -> share (normalised to 1)."""

_TRUTH = ("true", "unknown", "false")


def _certainty(s: Sampler) -> str:
    label = s.rng.randrange(3)
    premise, hypothesis = mnli(s, label)
    if s.chance(0.6):
        return f"{premise} it is {_TRUTH[label]}."
    return f"{premise} is it true that {(hypothesis or '').rstrip('.')}? {('yes', 'maybe', 'no')[label]}."


def _outcome(s: Sampler) -> str:
    label = s.rng.randrange(2)
    premise, hypothesis = rte(s, label)
    if label == 0 and s.chance(0.3):
        return f"{premise} so {hypothesis}"
    return f"{premise} it is {_TRUTH[2 * label]}."


def _opinion(s: Sampler) -> str:
    label = s.rng.randrange(2)
    text, _ = sst2(s, label)
    return f"{text} it is {('bad', 'good')[label]}."


def _pair(s: Sampler) -> str:
    label = s.rng.randrange(2)
    one, other = mrpc(s, label)
    return f"{one} {other} same meaning? {('no', 'yes')[label]}."


def _answer(s: Sampler) -> str:
    question, sentence = qnli(s, 0)
    return f"{question} {sentence}"


_PLAIN: dict[str, Callable[[Sampler], str]] = {
    "fact": fact,
    "definition": definition,
    "certainty": _certainty,
    "outcome": _outcome,
    "opinion": _opinion,
    "pair": _pair,
    "answer": _answer,
}


def text_documents(lexicon: Lexicon, rng: random.Random, size: int) -> list[str]:
    """``size`` documents in random order.

    Raises:
        InputError: ``size`` is not positive.
    """
    if size < 1:
        raise InputError(f"cannot write a corpus of {size} documents; ask for at least one")
    s = Sampler(lexicon, rng, HEAD_SHARE, exceptions=COMMON_HEAD_SHARE)
    documents = []
    for kind in spread(SHARES, size, rng):
        if kind in _PLAIN:
            documents.append(_PLAIN[kind](s))
        else:
            documents.append(task_document(s, kind, rng.choice(tuple(BUILDERS[kind][1]))))
    return documents
