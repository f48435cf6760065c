"""Comparing two responses by a judge that is asked in both orders.

Judges prefer a place as well as a response; a preference that turns with the order is a tie. What a local
judge finds is no score of GPT-4, and another judge may rank otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from retort.data.instructions.templates import CHAT_END
from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample, continued
from retort.data.text_batches import causal_batch
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.evaluation.likelihood import response_nll
from retort.models.features import WORDS, Family, WordLogits
from retort.models.losses import predicted_logits

QUESTION = (
    "Human:\nHere are an instruction and two responses to it. Which is more helpful, relevant, accurate and "
    "detailed?\n\n### Instruction:\n{instruction}\n\n### Response 1:\n{first}\n\n### Response 2:\n{second}"
    "\n\nAnswer 1 or 2 and nothing else." + CHAT_END
)
"""What a judge is asked."""


@dataclass(frozen=True)
class Comparison:
    """Two responses to an instruction, in the order in which a judge sees them."""

    key: str
    instruction: str
    first: str
    second: str


class Judge(Protocol):
    """Compares responses."""

    def chances(self, comparisons: Sequence[Comparison]) -> list[float]:
        """For each comparison how likely the first response is the better one; 0.5 is no preference."""
        ...


@dataclass(frozen=True)
class JudgedPairs:
    """Verdicts on two systems.

    Attributes:
        keys: of the items.
        outcomes: float64 [items]: 1 where ours is better in both orders, 0 where theirs is, 0.5 for a tie.
        first: share of all answers that prefer the first place; 0.5 is a judge without that bias.
    """

    keys: tuple[str, ...]
    outcomes: np.ndarray
    first: float

    def on(self, chosen: Sequence[int] | np.ndarray) -> float:
        """Win rate of ours on some items, which may repeat, in percent; a tie is half a win."""
        return 100.0 * float(self.outcomes[np.asarray(chosen)].mean())

    @property
    def win_rate(self) -> float:
        """On all items, in percent."""
        return self.on(np.arange(len(self.keys)))


def judge_pairs(
    judge: Judge, instructions: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> JudgedPairs:
    """Ask a judge about every item in both orders.

    Args:
        judge: whoever compares.
        instructions: by key; ``ours``, ``theirs``: responses by key.

    Raises:
        InputError: nothing to judge, or the three have different keys.
    """
    keys = tuple(instructions)
    if not keys or ours.keys() != set(keys) or theirs.keys() != set(keys):
        raise InputError(
            "judge: instructions and responses have different keys, or none; compare the same items"
        )
    there = judge.chances([Comparison(key, instructions[key], ours[key], theirs[key]) for key in keys])
    back = judge.chances([Comparison(key, instructions[key], theirs[key], ours[key]) for key in keys])
    sides = np.sign(np.array([there, back]) - 0.5)
    agreed = sides[0] == -sides[1]
    outcomes = np.where(agreed, (sides[0] + 1) / 2, 0.5)
    return JudgedPairs(keys, outcomes, float((sides + 1).mean() / 2))


@dataclass(frozen=True)
class VerdictJudge:
    """A local causal model that is asked for a number: the likelier of ``1`` and ``2`` is its verdict."""

    family: Family
    tokenizer: TextTokenizer
    layout: Layout
    device: torch.device

    @torch.no_grad()
    def chances(self, comparisons: Sequence[Comparison]) -> list[float]:
        """The probability of ``1``, of ``1`` and ``2`` alone; the model's mode is left as found.

        Raises:
            InputError: the tokenizer has no tokens for the two numbers.
        """
        training = self.family.module.training
        self.family.module.eval()
        try:
            return [self._chance(comparison) for comparison in comparisons]
        finally:
            self.family.module.train(training)

    def _chance(self, comparison: Comparison) -> float:
        parts = (comparison.instruction, comparison.first, comparison.second)
        asked = QUESTION.format(**dict(zip(("instruction", "first", "second"), parts, strict=True)))
        verdicts = [continued(asked, number, self.tokenizer)[:1] for number in "12"]
        if verdicts[0] == verdicts[1] or not all(verdicts):
            raise InputError("judge: its tokenizer does not tell 1 from 2; use another judge")
        ids = [*self.layout.source[0], *self.tokenizer.ids(asked), *verdicts[0]]
        batch = causal_batch([ids], [len(ids) - 1], self.layout.pad).to(self.device)
        words: WordLogits = self.family.observe(batch, frozenset({WORDS}))[WORDS]
        scores = predicted_logits(words, batch.predicted)[0, [verdict[0] for verdict in verdicts]]
        return float(scores.softmax(-1)[0])


@dataclass(frozen=True)
class LikelihoodJudge:
    """A causal model, say the teacher, that prefers the response whose words are likelier to it on average.

    It has no bias for a place, and none for what it was not trained to say.
    """

    family: Family
    prompts: Mapping[str, PromptExample]
    tokenizer: TextTokenizer
    layout: Layout
    device: torch.device

    def chances(self, comparisons: Sequence[Comparison]) -> list[float]:
        """Sigmoid of the difference of mean log-likelihoods."""
        first, second = (self._means(comparisons, side) for side in ("first", "second"))
        return [float(chance) for chance in 1 / (1 + np.exp(first - second))]

    def _means(self, comparisons: Sequence[Comparison], side: str) -> np.ndarray:
        """Negative log-likelihood a word, the end among them."""
        examples = []
        for comparison in comparisons:
            text = comparison.first if side == "first" else comparison.second
            ids = [*self.tokenizer.ids(text), *self.layout.target[1]]
            given = self.prompts[comparison.key]
            examples.append(
                PromptExample(
                    given.key, given.prompt, np.array(ids, np.int32), given.references, given.answer
                )
            )
        rows = response_nll(self.family, examples, self.layout, self.device)
        return rows[:, 0] / rows[:, 1]
