"""Documents with summaries, and texts with translations, of the pocket world.

A document reports what people say, manage and fail to do. Its summary states what happened: the clause
under a factive verb, the complement of a manage-like one, and nothing else. So content is *selected* by
the class of one verb a sentence and *compressed* by leaving that verb out; the rest is copied.
"""

from __future__ import annotations

import random

from retort.data.pocket.lexicon import ENTITY_TYPES, Lexicon, Sampler
from retort.data.pocket.second_language import SecondLanguage
from retort.data.pocket.tasks import cue_sentence, noun, predicate, spread
from retort.data.seq2seq.formats import TextPair
from retort.errors import InputError

HEAD_SHARE = 0.85
"""Share of heads among the content words of documents and texts to translate."""

SENTENCES = {"CNN-DM": (4, 5), "XSum": (3, 4)}
"""Summarisation set -> least and most sentences of a document."""

HAPPENED = {"CNN-DM": 2, "XSum": 1}
"""Summarisation set -> how many of them say what happened, each a sentence of the summary."""


def summary_pairs(task: str, split: str, lexicon: Lexicon, rng: random.Random, size: int) -> list[TextPair]:
    """Draw ``size`` documents with their summaries, one sentence a line."""
    _positive(task, size)
    s = Sampler(lexicon, rng, HEAD_SHARE)
    pairs = []
    for number in range(size):
        total = rng.randint(*SENTENCES[task])
        happened = sorted(rng.sample(range(total), HAPPENED[task]))
        told = [_happened(s) if place in happened else (_other(s), "") for place in range(total)]
        document = " ".join(text for text, _ in told)
        summary = "\n".join(fact for _, fact in told if fact)
        pairs.append(TextPair(f"{task}/{split}/{number}", document, (summary,)))
    return pairs


def _happened(s: Sampler) -> tuple[str, str]:
    """A sentence and the fact that it states."""
    person, deed = s.word("person"), predicate(s)
    if s.chance(0.5):
        return f"{person} {s.word('implicative_verb.manage')} to {deed}.", f"{person} {deed}."
    speaker = s.word("person", person)
    return f"{speaker} {s.word('embedding_verb.factive')} that {person} {deed}.", f"{person} {deed}."


def _other(s: Sampler) -> str:
    """A sentence about something that did not happen, or may not have."""
    person, deed = s.word("person"), predicate(s)
    if s.chance(1 / 3):
        return f"{person} {s.word('implicative_verb.fail')} to {deed}."
    verb = s.word(f"embedding_verb.{s.rng.choice(('antifactive', 'nonfactive'))}")
    return f"{s.word('person', person)} {verb} that {person} {deed}."


TEXT_HEAD_SHARE = 0.6
"""The same of texts to translate, which is where rare words make the difference."""

_TEXTS = ("deed", "clause", "cues", "opinion", "reason", "senses", "fact")


def translation_pairs(
    task: str, split: str, lexicon: Lexicon, language: SecondLanguage, rng: random.Random, size: int
) -> list[TextPair]:
    """Draw ``size`` texts of two to four sentences with their translations."""
    _positive(task, size)
    s = Sampler(lexicon, rng, TEXT_HEAD_SHARE)
    pairs = []
    for number, kind in enumerate(spread(dict.fromkeys(_TEXTS, 1.0), size, rng)):
        text = f"{_text(s, kind)} {_text(s, rng.choice(_TEXTS))}"
        pairs.append(TextPair(f"{task}/{split}/{number}", text, (language.translate(text),)))
    return pairs


def _text(s: Sampler, kind: str) -> str:
    person, (thing, category) = s.word("person"), noun(s)
    if kind == "cues":
        return f"{cue_sentence(s, thing, category)} {cue_sentence(s, thing, category)}"
    if kind == "senses":
        return cue_sentence(s, s.word("polysemous"), s.category())
    if kind == "opinion":
        words = [s.word(f"evaluative.{s.rng.choice(('good', 'bad'))}") for _ in range(2)]
        return f"the {thing} is {words[0]}. {person} say that it is {words[1]}."
    if kind == "reason":
        attitude, opinion = s.rng.choice((("like", "good"), ("dislike", "bad")))
        verb, adjective = s.word(f"attitude_verb.{attitude}"), s.word(f"evaluative.{opinion}")
        return f"{person} {verb} a {thing} because it is {adjective}."
    if kind == "fact":
        entity_type = s.rng.choice(ENTITY_TYPES)
        return f"{person} {s.word(f'type_verb.{entity_type}')} {s.word(f'entity.{entity_type}')}."
    if kind == "deed":
        outcome = s.rng.choice(("manage", "fail"))
        return f"{person} {s.word(f'implicative_verb.{outcome}')} to {predicate(s)}."
    verb = s.word(f"embedding_verb.{s.rng.choice(('factive', 'antifactive', 'nonfactive'))}")
    return f"{s.word('person', person)} {verb} that {person} {predicate(s)}."


def _positive(task: str, size: int) -> None:
    if size < 1:
        raise InputError(f"{task}: cannot draw {size} pairs; ask for at least one")
