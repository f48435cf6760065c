"""A second language of the pocket world: words of its own, another word order, agreement.

A translation follows from the text alone, so that a model can learn all of it:

* every synonym group of the first language is one word here; persons and entities keep their names;
* a polysemous noun is two words: which one, its verb or adjective tells;
* verbs come last: ``person verb a noun`` becomes ``person a noun verb``, and a verb over a clause with
  ``that`` or ``to`` follows the clause;
* articles, and adjectives after ``is``, agree in gender with the last noun before them (an article with the
  one behind it); every noun has its gender.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from retort.data.pocket.lexicon import CONSONANTS, DOMAINS, FUNCTION_WORDS, VOWELS, Lexicon

GENDERS = ("oy", "ay")
"""Endings of articles and adjectives, masculine and feminine. No other word of either language holds a y."""

_SENTENCE = re.compile(r"[^.?]+[.?]")
_VERBS = ("category_verb", "generic_verb", "attitude_verb", "neutral_verb", "type_verb")
_GOVERNORS = {"that": "embedding_verb", "to": "implicative_verb"}
_ADJECTIVES = ("evaluative", "category_adjective")
_NOUNS = ("noun", "polysemous")
_CUES = ("category_verb", "category_adjective")
_ARTICLES = ("a", "the")
_NAMES = ("person", "entity")


@dataclass(frozen=True)
class SecondLanguage:
    """Translates texts of one world.

    Attributes:
        lexicon: the words of the first language.
        stems: word of the first language -> its word here, by domain (equal but for polysemous nouns).
        genders: noun of the first language -> 0 or 1.
    """

    lexicon: Lexicon
    stems: dict[str, tuple[str, str]]
    genders: dict[str, int]

    def translate(self, text: str) -> str:
        """The same text in this language, sentence by sentence.

        A sentence ends with a full stop or a question mark; it holds letters besides.
        """
        gender = 0
        out = []
        for sentence in _SENTENCE.findall(text):
            words, gender = self._inflected(self._ordered(sentence[:-1].split()), gender)
            out.append(" ".join(words) + sentence[-1])
        return " ".join(out)

    def _ordered(self, words: list[str]) -> list[str]:
        """The words of a clause in this language's order."""
        for place in range(1, len(words)):
            governor = _GOVERNORS.get(words[place])
            if governor and self._kind(words[place - 1]) == governor:
                return [
                    *words[: place - 1],
                    words[place],
                    *self._ordered(words[place + 1 :]),
                    words[place - 1],
                ]
        for place, word in enumerate(words):
            if self._kind(word) in _VERBS and words[place + 1 : place + 2] in (["a"], ["the"]):
                return [*words[:place], *words[place + 1 : place + 3], word, *words[place + 3 :]]
        return words

    def _inflected(self, words: list[str], gender: int) -> tuple[list[str], int]:
        """The words translated, and the gender of the last noun up to their end."""
        domain = next((self._domain(word) for word in words if self._kind(word) in _CUES), 0)
        out = []
        for place, word in enumerate(words):
            noun = words[place + 1] if word in _ARTICLES and place + 1 < len(words) else word
            gender = self.genders.get(noun, gender)
            stem = self.stems.get(word, (word, word))[domain]
            inflected = word in _ARTICLES or self._kind(word) in _ADJECTIVES
            out.append(stem + GENDERS[gender] if inflected else stem)
        return out, gender

    def _kind(self, word: str) -> str:
        return self.lexicon.class_of.get(word, "").split(".")[0]

    def _domain(self, cue: str) -> int:
        return int(int(self.lexicon.class_of[cue][-1]) in DOMAINS[1])


def make_language(lexicon: Lexicon, code: str, seed: int) -> SecondLanguage:
    """Draw words and genders of language ``code``; the first language's own words never occur."""
    rng = random.Random(f"pocket language {code} {seed}")
    used: set[str] = set()

    def fresh() -> str:
        while True:
            word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.choice((1, 2))))
            word += rng.choice(CONSONANTS)
            if word not in used:
                used.add(word)
                return word

    stems: dict[str, tuple[str, str]] = {}
    genders: dict[str, int] = {}
    for name, _, group in lexicon.groups():
        first, second, gender = fresh(), fresh(), rng.randrange(2)
        kind = name.split(".")[0]
        if kind not in _NAMES:
            stems |= dict.fromkeys(group, (first, second if kind == "polysemous" else first))
        if kind in _NOUNS:
            genders |= dict.fromkeys(group, gender)
    for word in FUNCTION_WORDS:
        stem = fresh()
        stems[word] = (stem, stem)
    return SecondLanguage(lexicon, stems, genders)
