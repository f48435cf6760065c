"""Prompts letter by letter, as the authors' training and evaluation write them."""

from __future__ import annotations

from retort.data.instructions.formats import Instruction
from retort.data.instructions.templates import CHAT_END, QUESTION_END, prompt_body, question_body

WITH, WITHOUT = Instruction("k", "Sort.", "b a", ("a b",)), Instruction("k", "Speak.", "", ("Hm.",))


def test_training_joins_by_a_space_even_where_nothing_follows():
    assert prompt_body(WITH, "plain") + CHAT_END == "Human:\nSort. b a\n\nAssistant:\n"
    assert prompt_body(WITHOUT, "plain") + CHAT_END == "Human:\nSpeak. \n\nAssistant:\n"


def test_evaluation_has_headers():
    told = "Human:\n### Instruction:\nSort.\n\n### Input:\nb a\n\nAssistant:\n"
    assert prompt_body(WITH, "headers") + CHAT_END == told
    assert prompt_body(WITHOUT, "headers") + CHAT_END == "Human:\n### Instruction:\nSpeak.\n\nAssistant:\n"


def test_few_shot_questions_are_plain():
    item = Instruction("k", "About x.\n\n", "q3", ("A",), "A", "x", (("q1", "B"), ("q2", "C")))
    told = "About x.\n\nq1\nAnswer: B\n\nq2\nAnswer: C\n\nq3\nAnswer:"
    assert question_body(item, 2) + QUESTION_END == told
    assert question_body(item, 1) + QUESTION_END == "About x.\n\nq1\nAnswer: B\n\nq3\nAnswer:"
    assert question_body(item, 0) + QUESTION_END == "About x.\n\nq3\nAnswer:"
