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

TEMPLATES: tuple[TemplateName, ...] = ("plain", "headers")

CHAT_END = "\n\nAssistant:\n"
QUESTION_END = "\nAnswer:"


def prompt_body(instruction: Instruction, template: TemplateName) -> str:
    """An instruction's prompt up to :data:`CHAT_END`.

    ``plain`` ends in a space where there is no input, as the authors' does.
    """
    if template == "plain":
        return f"Human:\n{instruction.instruction} {instruction.input}"
    told = f"Human:\n### Instruction:\n{instruction.instruction}"
    return f"{told}\n\n### Input:\n{instruction.input}" if instruction.input else told


def question_body(instruction: Instruction, shots: int) -> str:
    """A few-shot question behind its first ``shots`` shots, up to :data:`QUESTION_END`."""
    shown = "".join(f"{q}{QUESTION_END} {a}\n\n" for q, a in instruction.shots[:shots])
    return f"{instruction.instruction}{shown}{instruction.input}"
