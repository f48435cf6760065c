"""Comparing two responses by a judge that is asked in both orders.

Judges prefer a place as well as a response; a preference that turns with the order is a tie. What a local
judge finds is no score of GPT-4, and another judge may rank otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from retort.errors import InputError

Ask = Callable[[Sequence[str]], list[str]]
"""Whoever answers: a reply for each question."""

QUESTION = (
    "Here are an instruction and two responses to it. Which is more helpful, relevant, accurate and "
    "detailed?\n\n### Instruction:\n{instruction}\n\n### Response 1:\n{first}\n\n### Response 2:\n{second}"
    "\n\nAnswer 1 or 2 and nothing else."
)
"""What a judge is asked."""

FIRST, NEITHER, SECOND = 1.0, 0.5, 0.0
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")


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
        """For each comparison how likely the first response is the better one.

        0.5 is no preference; NaN a reply that cannot be read.
        """
        ...


@dataclass(frozen=True)
class JudgedPairs:
    """Verdicts on two systems.

    Attributes:
        keys: of the items.
        sides: float64 [items, 2]: what was preferred with ours in the first place, and with ours in the
            second: 1 ours, 0 theirs, 0.5 neither, NaN where the reply could not be read.
    """

    keys: tuple[str, ...]
    sides: np.ndarray

    @property
    def outcomes(self) -> np.ndarray:
        """float64 [items]: 1 where ours is better in both orders, 0 where theirs is, 0.5 for a tie."""
        there, back = self.sides.T
        return np.where(there == back, there, NEITHER)

    @property
    def readable(self) -> float:
        """Share of replies that could be read, in percent."""
        return 100.0 * float((~np.isnan(self.sides)).mean())

    @property
    def first(self) -> float:
        """Share of the replies read that prefer the first place, in percent: 50 is a judge without that bias;
        NaN where none was read."""
        places = np.stack([self.sides[:, 0], 1 - self.sides[:, 1]])
        known = places[~np.isnan(places)]
        return 100.0 * float(known.mean()) if known.size else float("nan")

    @property
    def win_rate(self) -> float:
        """Of ours, in percent; a tie is half a win."""
        return 100.0 * float(self.outcomes.mean())

    def win_rates(self, weights: np.ndarray) -> np.ndarray:
        """The same [draws] on draws of items.

        Args:
            weights: float64 [draws, items], how often each is in each.
        """
        return 100.0 * (weights @ self.outcomes) / weights.sum(1)


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
    preferred = (np.sign(np.array([there, back]) - 0.5) + 1) / 2
    return JudgedPairs(keys, np.stack([preferred[0], 1 - preferred[1]], axis=1))


@dataclass(frozen=True)
class AskedJudge:
    """Anyone who answers questions in words."""

    ask: Ask

    def chances(self, comparisons: Sequence[Comparison]) -> list[float]:
        """1 or 0, as the reply says; NaN where it says neither or both."""
        asked = [
            QUESTION.format(instruction=c.instruction, first=c.first, second=c.second) for c in comparisons
        ]
        return [read_verdict(reply) for reply in self.ask(asked)]


def read_verdict(reply: str) -> float:
    """What a reply prefers: the first response, the second, or NaN unless it names one of them alone."""
    named = set(_NUMBER.findall(reply))
    return {"1": FIRST, "2": SECOND}[named.pop()] if named in ({"1"}, {"2"}) else float("nan")
