"""The cloze pattern of each task: fields in, text parts with one ``[MASK]`` out.

These are the patterns the GLMD authors ran (aitsc/GLMKD tasks/superglue/pvp.py; the numbers are in
:data:`retort.data.superglue.tasks.SPECS`). Spaces inside the parts are kept although WordPiece ignores
leading ones, so that the parts can be compared with the authors' own.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retort.data.superglue.formats import PLACEHOLDER
from retort.data.superglue.instances import RawExample


@dataclass(frozen=True)
class Part:
    """A piece of text; ``shortenable`` pieces lose tokens when the sequence is too long."""

    text: str
    shortenable: bool = False


MASK = Part("[MASK]")
"""The blank. Compared by identity: a text that spells ``[MASK]`` is another part."""


@dataclass(frozen=True)
class Filled:
    """A filled pattern.

    Attributes:
        first, second: the two sides; truncation takes from the side with more shortenable tokens.
        answers: texts to score (multi-token heads), else empty.
    """

    first: tuple[Part, ...]
    second: tuple[Part, ...]
    answers: tuple[str, ...]


def fill(task: str, example: RawExample) -> Filled:
    """Apply the task's pattern to one example."""
    first, second = _PATTERNS[task](example.fields)
    if task == "COPA":
        answers: tuple[str, ...] = (_choice(example.fields["choice1"]), _choice(example.fields["choice2"]))
    else:
        answers = example.candidates
    return Filled(first, second, tuple(f" {answer}" for answer in answers))


def strip_punctuation(text: str) -> str:
    """Remove ASCII punctuation at the end."""
    return text.rstrip(string.punctuation)


def _choice(text: str) -> str:
    return strip_punctuation(text[:1].lower() + text[1:])


Parts = tuple[Part, ...]
Fields = Mapping[str, str]


def _copa(fields: Fields) -> tuple[Parts, Parts]:
    joiner = " because" if fields["question"] == "cause" else ", so"
    premise = Part(strip_punctuation(" " + fields["premise"]), shortenable=True)
    first, second = Part(_choice(fields["choice1"])), Part(_choice(fields["choice2"]))
    parts = (Part('"'), first, Part('" or "'), second, Part('"?'), premise, Part(joiner), MASK, Part("."))
    return parts, ()


def _rte(fields: Fields) -> tuple[Parts, Parts]:
    hypothesis = Part(strip_punctuation(fields["hypothesis"]), shortenable=True)
    premise = Part(fields["premise"], shortenable=True)
    return (Part('"'), hypothesis, Part('" ?')), (MASK, Part(","), Part(' "'), premise, Part('"'))


def _cb(fields: Fields) -> tuple[Parts, Parts]:
    hypothesis = Part(strip_punctuation(fields["hypothesis"]), shortenable=True)
    premise = Part(" " + fields["premise"], shortenable=True)
    return (hypothesis, Part("?")), (MASK, Part("."), premise)


def _boolq(fields: Fields) -> tuple[Parts, Parts]:
    question = Part(" " + fields["question"], shortenable=True)
    passage = Part(" " + fields["passage"], shortenable=True)
    return (Part("Based on the following passage"), question, Part("?"), MASK, Part("."), passage), ()


def _wic(fields: Fields) -> tuple[Parts, Parts]:
    ask = Part(f" Does {fields['word']} have the same meaning in both sentences?")
    sentence1 = Part(fields["sentence1"], shortenable=True)
    sentence2 = Part(" " + fields["sentence2"], shortenable=True)
    return (sentence1, sentence2, ask, MASK), ()


def _multirc(fields: Fields) -> tuple[Parts, Parts]:
    passage = Part(strip_punctuation(fields["passage"].rstrip()), shortenable=True)
    question = Part(f" {strip_punctuation(fields['question'].rstrip())}?")
    answer = Part(" " + fields["answer"])
    before = (passage, Part("."), Part(" Question:"), question, Part(" Is it"), answer, Part("?"))
    return (*before, MASK, Part(".")), ()


def _wsc(fields: Fields) -> tuple[Parts, Parts]:
    text = Part(fields["text"], shortenable=True)
    ask = f" Question: In the passage above, what does the pronoun '*{fields['pronoun']}*' refer to?"
    return (text, Part(ask), Part(" Answer:"), MASK, Part(".")), ()


def _record(fields: Fields) -> tuple[Parts, Parts]:
    before, after = fields["query"].split(PLACEHOLDER)
    passage = Part(fields["passage"], shortenable=True)
    return (passage, Part(" " + before.rstrip()), MASK, Part(after)), ()


_PATTERNS: dict[str, Callable[[Fields], tuple[Parts, Parts]]] = {
    "BoolQ": _boolq,
    "CB": _cb,
    "COPA": _copa,
    "MultiRC": _multirc,
    "ReCoRD": _record,
    "RTE": _rte,
    "WiC": _wic,
    "WSC": _wsc,
}
