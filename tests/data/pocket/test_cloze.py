"""Records as cloze text, and the corpus documents made of them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from retort.data.pocket.cloze import MASK, cloze_parts, cloze_text
from retort.data.pocket.corpus import EXACT_SHARE, SHARES, corpus_documents
from retort.data.pocket.lexicon import make_lexicon
from retort.errors import InputError

WSC = {
    "text": "the pot hit the cup because it is old.",
    "target": {"span1_index": 1, "span1_text": "pot", "span2_index": 6, "span2_text": "it"},
    "candidates": [{"text": "cup"}],
}
MULTIRC = {
    "passage": {
        "text": "ann like it.",
        "questions": [
            {
                "question": "what does ann want?",
                "answers": [{"text": "a pot", "label": 0}, {"text": "a cup", "label": 1}],
            }
        ],
    }
}
COPA = {"premise": "Ann fell.", "choice1": "Ann cried.", "choice2": "Ann sang.", "label": 1}

CASES = [
    (
        "BoolQ",
        {"question": "is the pot good", "passage": "the pot is fine.", "label": True},
        "based on the following passage is the pot good? yes. the pot is fine.",
    ),
    (
        "CB",
        {"premise": "ann know that bob ran.", "hypothesis": "bob ran", "label": "neutral"},
        "bob ran? maybe. ann know that bob ran.",
    ),
    ("COPA", {**COPA, "question": "cause"}, '"ann cried" or "ann sang"? ann fell because ann sang.'),
    ("COPA", {**COPA, "question": "effect"}, '"ann cried" or "ann sang"? ann fell, so ann sang.'),
    (
        "RTE",
        {"premise": "ann try to run.", "hypothesis": "ann run.", "label": "not_entailment"},
        '"ann run" ? no, "ann try to run."',
    ),
    (
        "WiC",
        {"word": "bank", "sentence1": "a bank.", "sentence2": "the bank.", "label": False},
        "a bank. the bank. does bank have the same meaning in both sentences? no",
    ),
    (
        "ReCoRD",
        {
            "passage": {"text": "ann left rome."},
            "qas": [{"query": "ann quit @placeholder.", "answers": [{"text": "rome"}]}],
        },
        "ann left rome. ann quit rome.",
    ),
]


@pytest.mark.parametrize(("task", "record", "text"), CASES)
def test_patterns(task: str, record: dict, text: str) -> None:
    assert cloze_text(task, record) == text
    pattern, answer = cloze_parts(task, record)
    assert pattern.count(MASK) == 1 and pattern.replace(MASK, answer).lower() == text


@pytest.mark.parametrize(("label", "answer"), [(True, "pot"), (False, "cup")])
def test_wsc_marks_the_pronoun_and_answers_with_the_referent(label: bool, answer: str) -> None:
    assert cloze_text("WSC", {**WSC, "label": label}) == (
        "the pot hit the cup because *it* is old. question: in the passage above, "
        f"what does the pronoun '*it*' refer to? answer: {answer}."
    )


@pytest.mark.parametrize(("answer", "text"), [(0, "is it a pot? no."), (1, "is it a cup? yes.")])
def test_multirc_asks_about_one_answer(answer: int, text: str) -> None:
    assert cloze_text("MultiRC", MULTIRC, answer) == f"ann like it. question: what does ann want? {text}"


def test_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="CoLA"):
        cloze_parts("CoLA", {})


def test_document_kinds_have_their_shares() -> None:
    size = 20_000
    documents = corpus_documents(make_lexicon(1), random.Random(1), size)
    share = {kind: value / sum(SHARES.values()) for kind, value in SHARES.items()}
    marks = {
        "BoolQ": ("based on the following passage", share["BoolQ"] * EXACT_SHARE["BoolQ"]),
        "WSC": ("*it*", share["WSC"] * EXACT_SHARE["WSC"]),
        "COPA": ('" or "', share["COPA"] * EXACT_SHARE["COPA"]),
        "RTE": ('" ?', share["RTE"] * EXACT_SHARE["RTE"]),
        "WiC": ("in both sentences?", share["WiC"] * EXACT_SHARE["WiC"]),
        "MultiRC": ("question: what does", share["MultiRC"] * EXACT_SHARE["MultiRC"]),
        "definition": (" mean ", share["definition"] / 2),
        "CB": (" that ", share["CB"] + share["BoolQ"]),
        "fact": (" it because it is ", share["fact"] / 4),
    }
    found = Counter(kind for text in documents for kind, (mark, _) in marks.items() if mark in text)
    expected = {kind: value for kind, (_, value) in marks.items()}
    assert {kind: found[kind] / size for kind in marks} == pytest.approx(expected, rel=0.1)


def test_half_of_the_clause_documents_state_truth() -> None:
    documents = corpus_documents(make_lexicon(2), random.Random(2), 20_000)
    clauses = [d for d in documents if " that " in d and " say that " not in d]
    ends = Counter(d.rsplit(" ", 1)[1] for d in clauses if " it is " in d)
    assert set(ends) == {"true.", "false.", "unknown."}
    assert ends.total() / len(clauses) == pytest.approx(0.5, abs=0.05)
