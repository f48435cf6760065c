"""Sentence tasks of the pocket world: labels follow from word classes, no cheap cue gives them away."""

from __future__ import annotations

import math
import random
import re
from collections import Counter

import pytest

from retort.data.glue.tasks import TASKS, spec_of
from retort.data.pocket.glue import OPPOSITES, STSB_JITTER, glue_set
from retort.data.pocket.lexicon import SPLIT_FROM, make_lexicon
from retort.errors import InputError

LEXICON = make_lexicon(4)
PARITY = {
    word: index % 2
    for name, index, group in LEXICON.groups()
    if len(LEXICON.classes[name]) >= SPLIT_FROM
    for word in group
}
HALF = {
    word: half
    for family, halves in OPPOSITES.items()
    for half, name in enumerate(halves)
    for group in LEXICON.classes[f"{family}.{name}"]
    for word in group
}
CERTAINTY = {"factive": 0, "manage": 0, "nonfactive": 1, "antifactive": 2, "fail": 2}
SPLITS = [(task, split) for task in TASKS for split in spec_of(task).splits]


def words(example):
    return re.findall(r"\w+", f"{example.first} {example.second or ''}")


def kinds(text):
    return [LEXICON.class_of.get(word, word) for word in re.findall(r"\w+", text)]


@pytest.fixture(scope="module")
def sets():
    return {
        (task, split): glue_set(task, split, LEXICON, random.Random(f"{task} {split}"), 600)
        for task, split in SPLITS
    }


def both(sets, task):
    return [example for split in spec_of(task).splits for example in sets[task, split]]


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_classes_are_evenly_spread_and_texts_complete(sets, task, split):
    examples, spec = sets[task, split], spec_of(task)
    assert len({example.key for example in examples}) == len(examples) == 600
    assert all((example.second is not None) == (len(spec.texts) == 2) for example in examples)
    if spec.labels:
        assert Counter(e.label for e in examples) == dict.fromkeys(
            range(len(spec.labels)), 600 // len(spec.labels)
        )
    else:
        near = Counter(min((0, 2, 3, 5), key=lambda value: abs(value - e.label)) for e in examples)
        assert near == dict.fromkeys((0, 2, 3, 5), 150)
        assert {type(e.label) for e in examples} == {float}


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_lexical_split(sets, task, split):
    mixed = [{PARITY[word] for word in words(example) if word in PARITY} for example in sets[task, split]]
    assert all(len(found) == 1 for found in mixed)
    unseen = sum(found == {1} for found in mixed) / len(mixed)
    assert unseen == 0 if split == "train" else 0.69 < unseen < 0.81


def test_acceptable_sentences_are_the_grammar_s_and_others_are_not(sets):
    verb = r"(category_verb\.\d|generic_verb)"
    deed = rf"{verb} a noun\.\d"
    grammar = re.compile(rf"person (embedding_verb\.\w+ that person|implicative_verb\.\w+ to) {deed}")
    for example in both(sets, "CoLA"):
        assert bool(grammar.fullmatch(" ".join(kinds(example.first)))) == bool(example.label), example.first


def test_sentiment_is_the_majority_of_three(sets):
    dissent = 0
    for example in both(sets, "SST-2"):
        cues = [HALF[word] for word in words(example) if word in HALF]
        assert len(cues) == 3 and example.label == (sum(cues) < 2)
        dissent += len(set(cues)) == 2
    assert 0.3 < dissent / 1200 < 0.5


@pytest.mark.parametrize("task", ["MRPC", "QQP"])
def test_paraphrases_have_cues_of_the_same_half(sets, task):
    usual = 0
    for example in both(sets, task):
        (first,), (second,) = (
            [w for w in re.findall(r"\w+", t) if w in HALF] for t in (example.first, example.second)
        )
        assert LEXICON.class_of[first].split(".")[0] == LEXICON.class_of[second].split(".")[0]
        assert example.label == (HALF[first] == HALF[second])
        usual += HALF[first] == 0
    assert 0.75 < usual / 1200 < 0.85


def test_similarity_counts_agreement(sets):
    for example in both(sets, "STS-B"):
        reviews = [
            [HALF[w] for w in re.findall(r"\w+", t) if w in HALF] for t in (example.first, example.second)
        ]
        (attitude, opinion), (other_attitude, other_opinion) = reviews
        exact = 2 * (attitude == other_attitude) + 3 * (opinion == other_opinion)
        assert abs(example.label - exact) <= STSB_JITTER and 0 <= example.label <= 5


@pytest.mark.parametrize("task", ["MNLI", "RTE"])
def test_entailment_follows_the_verb_above_the_clause(sets, task):
    for example in both(sets, task):
        verbs = [k for k in kinds(example.first) if k.startswith(("embedding_verb", "implicative_verb"))]
        certainty = CERTAINTY[verbs[0].split(".")[1]]
        assert len(verbs) == 1 and example.label == (certainty if task == "MNLI" else certainty // 2)
        assert words(example)[-1] in example.first.split(".")[0] and len(example.second.split()) == 4


def test_the_other_genre_has_a_sentence_more(sets):
    assert {e.first.count(".") for e in sets["MNLI", "val"] + sets["MNLI", "train"]} == {1}
    assert {e.first.count(".") for e in sets["MNLI", "val_mismatched"]} == {2}


def test_questions_are_answered_by_words_of_the_right_class(sets):
    answers = {"is the": "evaluative", "what does": "attitude_verb", "is it": "embedding_verb"}
    asked = Counter()
    for example in both(sets, "QNLI"):
        start = " ".join(example.first.split()[:2])
        asked[start] += 1
        told = [kind for kind in kinds(example.second) if kind.startswith(answers[start])]
        assert (bool(told) and told != ["embedding_verb.nonfactive"]) == (example.label == 0)
    assert min(asked.values()) > 300 and asked.keys() == answers.keys()


def naive_bayes_accuracy(train, dev):
    """Bag of words of both sentences, add-one smoothing, words unknown to training ignored."""
    counts: dict[int, Counter[str]] = {}
    for example in train:
        counts.setdefault(example.label, Counter()).update(words(example))
    known = set().union(*counts.values())

    def score(label, found):
        total = counts[label].total() + len(known)
        return sum(math.log((counts[label][word] + 1) / total) for word in found)

    right = 0
    for example in dev:
        found = [word for word in words(example) if word in known]
        right += max(counts, key=lambda label: score(label, found)) == example.label
    return right / len(dev)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "STS-B"])
def test_words_of_the_training_set_do_not_solve_validation(sets, task):
    train, dev = sets[task, "train"], sets[task, "val"]
    chance = 1 / len(spec_of(task).labels)
    unseen = [e for e in dev if all(PARITY.get(word, 1) == 1 for word in words(e))]
    assert abs(naive_bayes_accuracy(train, unseen) - chance) < 0.12
    assert naive_bayes_accuracy(train, dev) < chance + 0.2


def test_sets_are_their_generator_s_and_empty_ones_are_refused():
    drawn = [glue_set("QQP", "train", LEXICON, random.Random(seed), 20) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(InputError, match="QQP: cannot draw 0 examples; ask for at least one"):
        glue_set("QQP", "train", LEXICON, random.Random(1), 0)
