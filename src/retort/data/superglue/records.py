"""One dataclass per official SuperGLUE file: a record is one line of it.

``place`` is ``path:line`` of that line, for error messages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BoolQRecord:
    """A yes/no question about a passage."""

    place: str
    idx: int
    passage: str
    question: str
    label: bool


@dataclass(frozen=True)
class EntailmentRecord:
    """A premise and a hypothesis (CB, RTE)."""

    place: str
    idx: int
    premise: str
    hypothesis: str
    label: str


@dataclass(frozen=True)
class CopaRecord:
    """A premise and two choices for its cause or its effect."""

    place: str
    idx: int
    premise: str
    choices: tuple[str, str]
    question: str
    label: int


@dataclass(frozen=True)
class MultiRCAnswer:
    """One answer to a question, right (1) or wrong (0)."""

    idx: int
    text: str
    label: int


@dataclass(frozen=True)
class MultiRCQuestion:
    """One question about a passage with all its answers."""

    idx: int
    text: str
    answers: tuple[MultiRCAnswer, ...]


@dataclass(frozen=True)
class MultiRCRecord:
    """A passage and its questions."""

    place: str
    idx: int
    passage: str
    questions: tuple[MultiRCQuestion, ...]


@dataclass(frozen=True)
class ReCoRDQuery:
    """A sentence with one ``@placeholder`` and the texts that fill it."""

    idx: int
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class ReCoRDRecord:
    """A news passage, the (start, inclusive end) character spans of its entities, and its queries."""

    place: str
    idx: int
    passage: str
    entities: tuple[tuple[int, int], ...]
    queries: tuple[ReCoRDQuery, ...]


@dataclass(frozen=True)
class WiCRecord:
    """A word in two sentences: same meaning or not."""

    place: str
    idx: int
    word: str
    sentence1: str
    sentence2: str
    label: bool


@dataclass(frozen=True)
class WSCRecord:
    """A text, a noun phrase (span 1) and a pronoun (span 2): does the pronoun refer to the phrase.

    Span indices count whitespace-separated words. ``candidates`` is not an official field: it lists
    other noun phrases of the text, and is ``None`` where the file lacks it.
    """

    place: str
    idx: int
    text: str
    span1_text: str
    span1_index: int
    span2_text: str
    span2_index: int
    label: bool
    candidates: tuple[str, ...] | None
