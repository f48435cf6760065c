"""Corpus documents: facts, definitions, and task-like texts with their answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from retort.data.pocket.cloze import CB_ANSWERS, RTE_ANSWERS, cloze_text, stripped, wsc_referent, yes_no
from retort.data.pocket.lexicon import CATEGORIES, Lexicon, Sampler
from retort.data.pocket.tasks import BUILDERS, cue_sentence, noun, predicate, spread
from retort.errors import InputError

HEAD_SHARE = 0.75
"""Share of heads among the content words of corpus documents."""

COMMON_HEAD_SHARE = {"generic_verb": 0.9, "neutral_verb": 0.9}
for _category in CATEGORIES:
    COMMON_HEAD_SHARE[f"noun.{_category}"] = 0.94
    COMMON_HEAD_SHARE[f"category_verb.{_category}"] = 0.85
    COMMON_HEAD_SHARE[f"category_adjective.{_category}"] = 0.85
"""Exceptions for the classes that occur most: with the common share, their rare words would
outrank the heads of the other classes, and halving the vocabulary by frequency would drop whole groups."""

SHARES = {
    "fact": 0.14,
    "definition": 0.08,
    "COPA": 0.08,
    "ReCoRD": 0.08,
    "WSC": 0.17,
    "CB": 0.09,
    "RTE": 0.07,
    "BoolQ": 0.10,
    "MultiRC": 0.09,
    "WiC": 0.13,
}
"""Kind of document -> share (normalised to 1)."""

EXACT_SHARE = dict.fromkeys(BUILDERS, 0.35) | {"WSC": 0.25}
"""Task -> share of its documents that spell out the cloze pattern."""

CB_SHARES = {"entailment": 0.34, "contradiction": 0.34, "neutral": 0.32}
"""Flatter than in the task sets, or the heads of non-factive verbs would be too rare to be kept."""


def fact(s: Sampler) -> str:
    """Two cues about one noun, or somebody's attitude and the reason for it."""
    if s.chance(0.25):
        attitude, kind = s.rng.choice((("like", "good"), ("dislike", "bad")))
        reason = f"{s.word(f'attitude_verb.{attitude}')} it because it is {s.word(f'evaluative.{kind}')}."
        person = s.word("person")
        if s.chance(0.5):
            return f"{person} {reason}"
        return f"{person} {predicate(s)}. {s.word('person', person)} {reason}"
    if s.chance(0.2):
        thing, domain = s.word("polysemous"), s.rng.randrange(2)
        return " ".join(cue_sentence(s, thing, s.category(domain)) for _ in range(2))
    thing, category = noun(s)
    return " ".join(cue_sentence(s, thing, category) for _ in range(2))


def definition(s: Sampler) -> str:
    """What kind of thing a noun is, or two words that mean the same."""
    if s.chance(0.5):
        thing, category = noun(s)
        cue = cue_sentence(s, thing, category)
        return f"a {thing} is a kind of {s.word(f'hypernym.{category}')}. {cue}"
    groups = [words for _, _, words in s.lexicon.groups() if len(words) > 1]
    head, *rare = s.rng.choice(groups)
    pair = [head, s.rng.choice(rare)]
    s.rng.shuffle(pair)
    return f"{pair[0]} mean {pair[1]}."


def _boolq(s: Sampler, r: dict[str, Any]) -> str:
    if s.chance(0.7):
        return f"{r['passage']} {r['question']}? {yes_no(r['label'])}."
    return f"{r['passage']} it is {'good' if r['label'] else 'bad'}."


def _cb(s: Sampler, r: dict[str, Any]) -> str:
    if s.chance(0.5 / (1 - EXACT_SHARE["CB"])):
        state = {"yes": "true", "no": "false", "maybe": "unknown"}[CB_ANSWERS[r["label"]]]
        return f"{r['premise']} it is {state}."
    return f"{r['premise']} {r['hypothesis']}? {CB_ANSWERS[r['label']]}."


def _copa(s: Sampler, r: dict[str, Any]) -> str:
    premise, choice = stripped(r["premise"]), stripped(r[f"choice{r['label'] + 1}"])
    if r["question"] == "cause":
        return f"{premise} because {choice}."
    return f"{premise}. then {choice}." if s.chance(0.3) else f"{premise}, so {choice}."


def _multirc(s: Sampler, r: dict[str, Any]) -> str:
    passage, question = r["passage"]["text"], r["passage"]["questions"][0]
    if s.chance(0.4 / (1 - EXACT_SHARE["MultiRC"])):
        right = [a["text"].removeprefix("a ") for a in question["answers"] if a["label"]]
        return f"{passage} {question['question']} {right[0] if right else 'nothing'}."
    answer = s.rng.choice(question["answers"])
    return f"{passage} {question['question']} {answer['text']}? {yes_no(answer['label'])}."


def _record(s: Sampler, r: dict[str, Any]) -> str:
    """One sentence of the passage and the query, without the others."""
    query = r["qas"][0]
    name = query["answers"][0]["text"]
    told = [f"{x}." for x in r["passage"]["text"].rstrip(".").split(". ")]
    source = next(x for x in told if name in x.rstrip(".").split())
    if s.chance(0.5):
        told = [source]
    return f"{' '.join(told)} {query['query'].replace('@placeholder', name)}"


def _rte(s: Sampler, r: dict[str, Any]) -> str:
    if s.chance(0.3):
        return f"{r['premise']} it is {'true' if r['label'] == 'entailment' else 'false'}."
    return f"{r['premise']} {stripped(r['hypothesis'])}? {RTE_ANSWERS[r['label']]}."


def _wic(s: Sampler, r: dict[str, Any]) -> str:
    return f"{r['sentence1']} {r['sentence2']} same meaning? {yes_no(r['label'])}."


def _wsc(s: Sampler, r: dict[str, Any]) -> str:
    referent = wsc_referent(r)
    if s.chance(0.5):
        return f"{r['text']} it refer to {referent}."
    return r["text"].replace(" because it ", f" because the {referent} ")


SHORT: dict[str, Callable[[Sampler, dict[str, Any]], str]] = {
    "BoolQ": _boolq,
    "CB": _cb,
    "COPA": _copa,
    "MultiRC": _multirc,
    "ReCoRD": _record,
    "RTE": _rte,
    "WiC": _wic,
    "WSC": _wsc,
}
"""Task -> how a record is said without the pattern."""


def task_document(s: Sampler, task: str, wanted: Any) -> str:
    """A task record with its answer, in the cloze pattern or in a shorter wording."""
    drawn = BUILDERS[task][0](s, wanted)
    if not s.chance(EXACT_SHARE[task]):
        return SHORT[task](s, drawn)
    return cloze_text(task, drawn, s.rng.randrange(3) if task == "MultiRC" else 0)


def corpus_documents(lexicon: Lexicon, rng: random.Random, size: int) -> list[str]:
    """``size`` documents in random order, words from all groups.

    Raises:
        InputError: ``size`` is not positive.
    """
    if size < 1:
        raise InputError(f"cannot write a corpus of {size} documents; ask for at least one")
    sampler = Sampler(lexicon, rng, HEAD_SHARE, exceptions=COMMON_HEAD_SHARE)
    kinds = spread(SHARES, size, rng)
    wanted = {}
    for task, (_, shares) in BUILDERS.items():
        wanted[task] = iter(spread(CB_SHARES if task == "CB" else shares, kinds.count(task), rng))
    plain = {"fact": fact, "definition": definition}
    return [
        plain[kind](sampler) if kind in plain else task_document(sampler, kind, next(wanted[kind]))
        for kind in kinds
    ]
