"""Prompts letter by letter, as the authors' training and evaluation write them."""

from __future__ import annotations

from retort.data.instructions.formats import Instruction
from retort.data.instructions.templates import prompt_parts, response_text

WITH, WITHOUT = Instruction("k", "Sort.", "b a", ("a b",)), Instruction("k", "Speak.", "", ("Hm.",))
ASKED = Instruction("k", "About x.\n\n", "q3", ("A",), "A", "x", (("q1", "B"), ("q2", "C")))


def text(*given, **chat):
    return "".join(prompt_parts(*given, **chat))


def test_training_joins_by_a_space_even_where_nothing_follows():
    assert text(WITH, "plain") == "Human:\nSort. b a\n\nAssistant:\n"
    assert text(WITHOUT, "plain") == "Human:\nSpeak. \n\nAssistant:\n"
    assert response_text(WITHOUT) == "Hm."


def test_evaluation_has_headers():
    assert text(WITH, "headers") == "Human:\n### Instruction:\nSort.\n\n### Input:\nb a\n\nAssistant:\n"
    assert text(WITHOUT, "headers") == "Human:\n### Instruction:\nSpeak.\n\nAssistant:\n"


def test_few_shot_questions_are_bare():
    told = "About x.\n\nq1\nAnswer: B\n\nq2\nAnswer: C\n\nq3\nAnswer:"
    assert text(ASKED, "plain", 2) == told and response_text(ASKED) == " A"
    assert text(ASKED, "headers", 1) == "About x.\n\nq1\nAnswer: B\n\nq3\nAnswer:"
    assert text(ASKED, "plain") == "About x.\n\nq3\nAnswer:"


def test_only_the_last_line_must_stay():
    ends = [prompt_parts(item, "plain")[1] for item in (WITH, ASKED)]
    assert ends == ["\n\nAssistant:\n", "\nAnswer:"]
