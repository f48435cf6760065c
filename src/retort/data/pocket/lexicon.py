"""The words of a pocket world: classes, synonym groups, and how a word is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

CATEGORIES = (0, 1, 2, 3)
DOMAINS = ((0, 1), (2, 3))
"""Categories of domain A (pleasant things) and of domain B."""
ENTITY_TYPES = (0, 1, 2, 3)

SPLIT_FROM = 4
"""Classes with at least this many groups are split between task training and validation."""

CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"

_FUNCTION_WORDS = """
a above and answer based because bad both does false following good have in is it kind maybe mean meaning no
nothing of on or passage pronoun question refer same say sentences so that the then to true unknown want
what yes
"""
FUNCTION_WORDS = tuple(_FUNCTION_WORDS.split())
PUNCTUATION = tuple("\"'*,.:?")


def _class_table() -> dict[str, tuple[int, int]]:
    """Word class -> (number of groups, rare words per group)."""
    table: dict[str, tuple[int, int]] = {}
    for category in CATEGORIES:
        table[f"hypernym.{category}"] = (1, 0)
        table[f"noun.{category}"] = (6, 3)
        table[f"category_verb.{category}"] = (4, 3)
        table[f"category_adjective.{category}"] = (4, 3)
    table |= {"polysemous": (24, 0), "generic_verb": (3, 1), "neutral_verb": (3, 1)}
    table |= {f"embedding_verb.{kind}": (6, 3) for kind in ("factive", "antifactive", "nonfactive")}
    table |= {f"implicative_verb.{kind}": (6, 3) for kind in ("manage", "fail")}
    table |= {f"evaluative.{kind}": (8, 3) for kind in ("good", "bad")}
    table |= {f"attitude_verb.{kind}": (4, 3) for kind in ("like", "dislike")}
    table |= {"cause": (16, 3), "effect": (16, 3), "person": (16, 0)}
    for kind in ENTITY_TYPES:
        table[f"entity.{kind}"] = (8, 0)
        table[f"type_verb.{kind}"] = (2, 1)
    return table


CLASS_TABLE = _class_table()


@dataclass(frozen=True)
class Lexicon:
    """``classes``: word class -> synonym groups, most frequent group first; each group has its head first."""

    classes: dict[str, tuple[tuple[str, ...], ...]]

    @cached_property
    def class_of(self) -> dict[str, str]:
        """Content word -> its class."""
        return {word: name for name, _, words in self.groups() for word in words}

    def groups(self) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """Yield (class, index inside the class, words with the head first)."""
        for name, groups in self.classes.items():
            for index, words in enumerate(groups):
                yield name, index, words

    def table(self) -> dict[str, dict[str, str | bool]]:
        """Every word and punctuation mark of the world -> class, synonym group and head flag."""
        rows: dict[str, dict[str, str | bool]] = {}
        for name, index, words in self.groups():
            for word in words:
                rows[word] = {"class": name, "group": f"{name}/{index}", "head": word == words[0]}
        for name, closed in (("function", FUNCTION_WORDS), ("punctuation", PUNCTUATION)):
            rows |= {word: {"class": name, "group": f"{name}/{word}", "head": True} for word in closed}
        return rows


def make_lexicon(seed: int) -> Lexicon:
    """Draw all content words: distinct, pronounceable, two or three syllables, no function word."""
    rng = random.Random(f"pocket lexicon {seed}")
    used = set(FUNCTION_WORDS)

    def fresh() -> str:
        while True:
            syllables = 2 if rng.random() < 0.7 else 3
            word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables))
            if word not in used:
                used.add(word)
                return word

    return Lexicon(
        {
            name: tuple(tuple(fresh() for _ in range(1 + rare)) for _ in range(groups))
            for name, (groups, rare) in CLASS_TABLE.items()
        }
    )


class Sampler:
    """Draws words: a group by Zipf's law (exponent 1/2) inside its class, then its head or a rare word.

    Args:
        lexicon: the words.
        rng: source of randomness, shared freely between samplers.
        head_share: probability of the head; the rest is shared evenly by the rare words.
        parity: keep only groups with index % 2 == parity in split classes; None keeps all.
        exceptions: word class -> head share of its own.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        rng: random.Random,
        head_share: float,
        *,
        parity: int | None = None,
        exceptions: Mapping[str, float] | None = None,
    ) -> None:
        self.lexicon = lexicon
        self.rng = rng
        self.head_share = dict.fromkeys(lexicon.classes, head_share) | dict(exceptions or {})
        self._indices: dict[str, list[int]] = {}
        self._weights: dict[str, list[float]] = {}
        for name, groups in lexicon.classes.items():
            split = parity is not None and len(groups) >= SPLIT_FROM
            indices = [i for i in range(len(groups)) if not split or i % 2 == parity]
            self._indices[name] = indices
            self._weights[name] = list(accumulate((i + 1) ** -0.5 for i in indices))

    def group(self, name: str, avoid: int | None = None) -> int:
        """Index of a random group of class ``name``, other than ``avoid``."""
        while True:
            index = self.rng.choices(self._indices[name], cum_weights=self._weights[name])[0]
            if index != avoid:
                return index

    def member(self, name: str, index: int) -> str:
        """A word of one group: the head or a rare word."""
        words = self.lexicon.classes[name][index]
        if len(words) == 1 or self.rng.random() < self.head_share[name]:
            return words[0]
        return words[self.rng.randrange(1, len(words))]

    def word(self, name: str, *avoid: str) -> str:
        """A random word of class ``name``, none of ``avoid``."""
        while True:
            word = self.member(name, self.group(name))
            if word not in avoid:
                return word

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    def category(self, domain: int | None = None) -> int:
        """A random category, of one domain if given."""
        return self.rng.choice(CATEGORIES if domain is None else DOMAINS[domain])
