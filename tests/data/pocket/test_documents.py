"""Documents and their summaries; texts and their translations."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from retort.data.pocket.documents import HAPPENED, SENTENCES, summary_pairs, translation_pairs
from retort.data.pocket.lexicon import make_lexicon
from retort.data.pocket.second_language import SecondLanguage, make_language
from retort.errors import InputError

LEXICON = make_lexicon(4)
LANGUAGE = make_language(LEXICON, "ro", 4)
HEADS = {group[0] for _, _, group in LEXICON.groups()}
TRUE = ("embedding_verb.factive", "implicative_verb.manage")


def kind(word):
    return LEXICON.class_of.get(word, "")


@pytest.mark.parametrize("task", HAPPENED)
def test_a_summary_states_what_happened_and_nothing_else(task):
    lengths = Counter()
    for pair in summary_pairs(task, "val", LEXICON, random.Random(1), 300):
        sentences = pair.source.rstrip(".").split(". ")
        lengths[len(sentences)] += 1
        facts = []
        for sentence in sentences:
            words = sentence.split()
            (verb,) = [w for w in words if kind(w).startswith(("embedding_verb", "implicative_verb"))]
            place = words.index(verb)
            if kind(verb) in TRUE:
                clause = words[place + 2 :] if words[place + 1] == "that" else [words[0], *words[place + 2 :]]
                facts.append(f"{' '.join(clause)}.")
        (reference,) = pair.references
        assert len(facts) == HAPPENED[task] and reference == "\n".join(facts)
    assert tuple(sorted(lengths)) == SENTENCES[task]


def test_where_it_stands_does_not_say_what_happened():
    first = sum(
        kind(pair.source.split()[1]) in TRUE
        for pair in summary_pairs("XSum", "val", LEXICON, random.Random(1), 1000)
    )
    assert 0.2 < first / 1000 < 0.4  # one sentence of three or four


PLAIN = SecondLanguage(LEXICON, {}, {})  # no words of its own: only order and agreement show


def a(name):
    return LEXICON.classes[name][0][0]


def test_word_order():
    ann, bob = (group[0] for group in LEXICON.classes["person"][:2])
    verb, thing, feel = a("generic_verb"), a("noun.0"), a("attitude_verb.like")
    know, manage, good = a("embedding_verb.factive"), a("implicative_verb.manage"), a("evaluative.good")
    told = f"{ann} say that it is {good}"
    cases = {
        f"{ann} {verb} a {thing}.": f"{ann} aoy {thing} {verb}.",
        f"{ann} {manage} to {verb} a {thing}.": f"{ann} to aoy {thing} {verb} {manage}.",
        f"{ann} {know} that {bob} {verb} a {thing}.": f"{ann} that {bob} aoy {thing} {verb} {know}.",
        f"{ann} {feel} a {thing} because it is {good}.": f"{ann} aoy {thing} {feel} because it is {good}oy.",
        f"the {thing} is {good}. {told}?": f"theoy {thing} is {good}oy. {told}oy?",
    }
    assert {text: PLAIN.translate(text) for text in cases} == cases


def test_articles_and_adjectives_agree_with_the_last_noun():
    he, she = (
        next(w for w, gender in LANGUAGE.genders.items() if gender == g and kind(w)[:4] == "noun")
        for g in (0, 1)
    )
    good = a("evaluative.good")
    language = SecondLanguage(LEXICON, {}, LANGUAGE.genders)
    text = (
        f"the {he} is {good}. the {she} is {good}. {a('person')} say that it is {good}. the {he} is {good}."
    )
    endings = re.findall(rf"{good}(\w)", language.translate(text))
    assert endings == ["o", "a", "a", "o"] and re.findall(r"the(\w)", language.translate(text)) == [
        "o",
        "a",
        "o",
    ]


def test_synonyms_share_a_word_and_polysemous_nouns_have_two():
    for name, _, group in LEXICON.groups():
        kept = name.split(".")[0] in ("person", "entity")
        assert len({LANGUAGE.stems.get(word) for word in group}) == 1
        assert (group[0] not in LANGUAGE.stems) == kept
    stems = [pair for word, pair in LANGUAGE.stems.items() if not kind(word) or word in HEADS]
    assert len({stem for pair in stems for stem in pair}) == sum(len(set(pair)) for pair in stems)
    thing = a("polysemous")
    pleasant, other = (
        LANGUAGE.translate(f"the {thing} is {a(f'category_adjective.{c}')}.").split()[1] for c in (0, 2)
    )
    assert (pleasant, other) == LANGUAGE.stems[thing]


def test_a_translation_is_that_of_its_source_and_words_are_new():
    pairs = translation_pairs("WMT16-en-ro", "train", LEXICON, LANGUAGE, random.Random(1), 400)
    names = {word for word in LEXICON.class_of if kind(word).split(".")[0] in ("person", "entity")}
    ours = set(LEXICON.class_of) - names
    for pair in pairs:
        assert pair.references == (LANGUAGE.translate(pair.source),)
        assert len(pair.source.split()) == len(pair.references[0].split())
        assert not ours & set(re.findall(r"\w+", pair.references[0]))
    assert {len(re.findall(r"[.?]", pair.source)) for pair in pairs} == {2, 3, 4}


def test_languages_differ_and_seeds_decide():
    assert make_language(LEXICON, "ro", 4) == LANGUAGE
    assert make_language(LEXICON, "fr", 4).stems != LANGUAGE.stems != make_language(LEXICON, "ro", 5).stems


def test_empty_sets_are_refused():
    with pytest.raises(InputError, match="XSum: cannot draw 0 pairs; ask for at least one"):
        summary_pairs("XSum", "val", LEXICON, random.Random(1), 0)
    with pytest.raises(InputError, match="WMT16-en-ro: cannot draw 0 pairs"):
        translation_pairs("WMT16-en-ro", "val", LEXICON, LANGUAGE, random.Random(1), 0)
