"""Scores of responses to instructions, each as contributions of single items.

A score is a ratio of two sums over items, so that one on any resampled set of items costs two sums. What an
item says nothing about (an exact answer where many are good) adds nothing to either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retort.data.prompt_examples import PromptExample
from retort.errors import InputError

PERCENT = frozenset({"rougeL", "exact", "starts", "number", "ends"})
"""Metrics that are shares; the others are ratios or means."""

BY_GROUP = frozenset({"exact", "starts", "number"})
"""Metrics that sets of several sub-tasks average over these."""

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class ResponseScores:
    """Scores of responses.

    Attributes:
        keys: of the items; ``groups``: the sub-task of each.
        contributions: by metric, float64 [items, 2]: what is summed above and below the line.
        signatures: by metric, how exactly it was computed, where that is a matter of a package.
        by_group: whether shares of right answers are unweighted means over sub-tasks, as for BBH.
    """

    keys: tuple[str, ...]
    groups: tuple[str, ...]
    contributions: Mapping[str, np.ndarray]
    signatures: Mapping[str, str]
    by_group: bool = False

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All metrics on all items: shares in percent, ratios as they are."""
        return self.on(np.arange(len(self.keys)))

    def on(self, chosen: Sequence[int] | np.ndarray) -> dict[str, float]:
        """All metrics on some items, which may repeat; those are missing that no item says anything about.

        Args:
            chosen: indices of items.
        """
        index = np.asarray(chosen, dtype=np.int64)
        groups = np.array(self.groups)[index]
        found = {}
        for name, rows in self.contributions.items():
            parts = [rows[index]]
            if self.by_group and name in BY_GROUP:
                parts = [rows[index[groups == group]] for group in dict.fromkeys(groups.tolist())]
            ratios = [_ratio(part) for part in parts if part[:, 1].sum() > 0]
            if ratios:
                found[name] = (100.0 if name in PERCENT else 1.0) * sum(ratios) / len(ratios)
        return found


def score_responses(
    texts: Mapping[str, str],
    ended: Mapping[str, bool],
    examples: Sequence[PromptExample],
    *,
    by_group: bool = False,
) -> ResponseScores:
    """Score generated responses.

    * ``rougeL``: F-measure (package ``rouge-score``, stemmer on), the best over an item's references; its
      mean, as in MiniLLM and its successors (the authors' own package is another one, with other numbers).
    * ``exact``: the text is the answer, of items whose answer is all of a good response.
    * ``starts``: the text starts with the answer, as instruct-eval counts.
    * ``number``: the last number of the text is that of the answer, of items whose answer is a number.
    * ``ends``: the end token came before the limit.
    * ``length``: words of the texts over words of the references (the mean of an item's).

    Args:
        texts: generated text by example key; ``ended``: whether it has an end.
        examples: bring references and answers.
        by_group: see :class:`ResponseScores`.

    Raises:
        InputError: nothing to score, or examples of the two differ.
    """
    keys = tuple(example.key for example in examples)
    if not keys or texts.keys() != set(keys) or ended.keys() != set(keys):
        odd = sorted(texts.keys() ^ set(keys))
        what = f"{odd[0]} is on one side only" if odd else "there are none"
        raise InputError(f"responses and examples: {what}; generate a response for each example")
    rows = [_contributions(texts[e.key], ended[e.key], e) for e in examples]
    names = ("exact", "starts", "number", "ends", "length")
    contributions = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    best, signature = _rouge([texts[key] for key in keys], [e.references for e in examples])
    contributions = {"rougeL": np.stack([best, np.ones(len(keys))], axis=1)} | contributions
    groups = tuple(example.group for example in examples)
    return ResponseScores(keys, groups, contributions, {"rougeL": signature}, by_group)


def distinct(texts: Sequence[str], size: int) -> float:
    """Distinct-n (Li et al., 2016): different n-grams of words over all n-grams of all texts.

    It is no sum over items: a resampled set repeats texts, which lowers it.

    Args:
        texts: generated texts.
        size: n.

    Returns:
        A share between 0 and 1; 0 where there is no n-gram.
    """
    grams = [
        tuple(words[place : place + size])
        for words in (text.split() for text in texts)
        for place in range(len(words) - size + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def last_number(text: str) -> float | None:
    """The last number of a text, without the commas between thousands; ``None`` where there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def _contributions(text: str, ended: bool, example: PromptExample) -> dict[str, tuple[float, float]]:
    """By metric, what an item adds above and below the line."""
    said, answer = text.strip(), example.answer
    whole = answer in example.references
    numeric = answer is not None and not whole and _is_number(answer)
    started = answer is not None and not numeric
    words = sum(len(reference.split()) for reference in example.references) / len(example.references)
    right_number = numeric and last_number(said) == last_number(answer or "")
    return {
        "exact": (float(whole and said == answer), float(whole)),
        "starts": (float(started and said.startswith(answer or "")), float(started)),
        "number": (float(right_number), float(numeric)),
        "ends": (float(ended), 1.0),
        "length": (float(len(said.split())), words),
    }


def _is_number(answer: str) -> bool:
    return _NUMBER.fullmatch(answer.lstrip("$")) is not None


def _ratio(rows: np.ndarray) -> float:
    above, below = rows.sum(axis=0)
    return float(above / below)


def _rouge(texts: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[np.ndarray, str]:
    from importlib.metadata import version

    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    best = [
        max(scorer.score(reference, text)["rougeL"].fmeasure for reference in right)
        for text, right in zip(texts, references, strict=True)
    ]
    return np.array(best), f"stemmer:yes|references:best|version:{version('rouge-score')}"
