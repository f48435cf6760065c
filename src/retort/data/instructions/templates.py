"""Prompts as the ATKD authors write them.

They train on one wording and evaluate with another (quirk: ``distill/train.py`` joins instruction and input
by a space, with nothing above; ``inference.py`` puts headers above both). Few-shot questions are those of
instruct-eval: no chat, answers behind ``Answer:``.
"""

from __future__ import annotations

from typing import Literal

from retort.data.instructions.formats import Instruction

TemplateName = Literal["plain", "headers"]
"""``plain``: of the authors' training; ``headers``: of their evaluation."""

CHAT_END = "\n\nAssistant:\n"
QUESTION_END = "\nAnswer:"


def prompt_parts(item: Instruction, template: TemplateName, shots: int = 0) -> tuple[str, str]:
    """A prompt's text in two parts, of which the second must not be cut.

    Args:
        item: what is asked.
        template: the wording. ``plain`` has a space before its end where there is no input, as the authors'
            has.
        shots: how many of a few-shot question's shots are shown.
    """
    if item.shots:
        return _asked(item, shots), QUESTION_END
    instruction, given = item.instruction, item.input
    if template == "plain":
        return f"Human:\n{instruction} {given}", CHAT_END
    told = f"Human:\n### Instruction:\n{instruction}"
    return (f"{told}\n\n### Input:\n{given}" if given else told), CHAT_END


def response_text(item: Instruction) -> str:
    """An item's response as it follows its prompt: behind ``Answer:`` comes a space."""
    return f" {item.responses[0]}" if item.shots else item.responses[0]


def _asked(item: Instruction, shots: int) -> str:
    """What stands above all questions, shots with their answers, the question."""
    shown = "".join(f"{question}{QUESTION_END} {answer}\n\n" for question, answer in item.shots[:shots])
    return f"{item.instruction}{shown}{item.input}"
