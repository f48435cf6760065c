"""Skills of the pocket world's instructions: what is asked, and every good response to it.

A response is a *form*: words, and slots such as ``<evaluative.good>`` that any word of the class fills. Where
there is no slot just one response is right, and its words are certain to whoever has the skill; a slot has as
many good words as its class. So responses have easy and hard words, and any response can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from retort.data.instructions.templates import QUESTION_END
from retort.data.pocket.glue import mnli, sst2
from retort.data.pocket.lexicon import Lexicon, Sampler
from retort.data.pocket.tasks import cue_sentence, noun, predicate

LEAST, MOST = 2, 4
"""Words or numbers of the shortest and longest lists that are asked about."""

_SLOT = re.compile(r"<([a-z_.0-9]+)>")
_WORDS = ("person", "generic_verb", "evaluative.good", "evaluative.bad", "noun.0", "noun.2", "cause")
_TRUTH = ("true", "unknown", "false")


@dataclass(frozen=True)
class Draft:
    """An instruction with the form of its responses."""

    instruction: str
    input: str
    form: str

    @property
    def answer(self) -> str | None:
        """What every good response starts with: all of it, or the sentences before the first slot, if any."""
        certain, slot, _ = self.form.partition("<")
        return (certain[: certain.rfind(".") + 1] if slot else certain) or None

    def response(self, s: Sampler) -> str:
        """A good response."""
        return _SLOT.sub(lambda slot: s.word(slot[1]), self.form)

    def fits(self, text: str, lexicon: Lexicon) -> bool:
        """Whether ``text`` is a good response."""
        pattern, end = "", 0
        for slot in _SLOT.finditer(self.form):
            words = "|".join(word for group in lexicon.classes[slot[1]] for word in group)
            pattern += f"{re.escape(self.form[end : slot.start()])}(?:{words})"
            end = slot.end()
        return re.fullmatch(pattern + re.escape(self.form[end:]), text) is not None


def _some(s: Sampler, least: int, most: int) -> list[str]:
    """Words of several classes, all different."""
    words: list[str] = []
    for _ in range(s.rng.randint(least, most)):
        words.append(s.word(s.rng.choice(_WORDS), *words))
    return words


def repeat(s: Sampler, least: int, most: int) -> Draft:
    """Copying."""
    words = " ".join(_some(s, least, most))
    return Draft("say these words", words, f"{words}.")


def reverse(s: Sampler, least: int, most: int) -> Draft:
    """Copying from the end."""
    words = _some(s, least, most)
    return Draft("say these words backwards", " ".join(words), f"{' '.join(reversed(words))}.")


def count(s: Sampler, least: int, most: int) -> Draft:
    """The length of a list."""
    words = _some(s, max(1, least - 1), most + 2)
    return Draft("how many words are these", " ".join(words), f"there are {len(words)}.")


def sort(s: Sampler, least: int, most: int) -> Draft:
    """Numbers from 0 to 9 in order."""
    numbers = s.rng.sample(range(10), s.rng.randint(least, most))
    told, right = (" ".join(map(str, row)) for row in (numbers, sorted(numbers)))
    return Draft("put these numbers in order", told, f"{right}.")


def add(s: Sampler, least: int, most: int) -> Draft:
    """A sum of two numbers below ten."""
    one, other = s.rng.randrange(10), s.rng.randrange(10)
    return Draft(f"what is {one} and {other}", "", f"{one} and {other} is {one + other}.")


def kind(s: Sampler, least: int, most: int) -> Draft:
    """The category of a noun."""
    thing, category = noun(s)
    return Draft(f"what kind of thing is a {thing}", "", f"a {thing} is a kind of {_hypernym(s, category)}.")


def explain(s: Sampler, least: int, most: int) -> Draft:
    """The category of a noun, then anything that is said of such things."""
    thing, category = noun(s)
    told = f"a {thing} is a kind of {_hypernym(s, category)}. the {thing} is <category_adjective.{category}>."
    return Draft(f"what is a {thing}", "", told)


def describe(s: Sampler, least: int, most: int) -> Draft:
    """Anything that is said of things of a noun's category."""
    thing, category = noun(s)
    told = f"<person> <category_verb.{category}> a {thing}. the {thing} is <category_adjective.{category}>."
    return Draft(f"describe a {thing}", "", told)


def name(s: Sampler, least: int, most: int) -> Draft:
    """Any things of a category."""
    category = s.category()
    number = s.rng.randint(least, most)
    told = ", ".join([f"a <noun.{category}>"] * number)
    return Draft(f"name {number} things of the kind {_hypernym(s, category)}", "", f"{told}.")


def reason(s: Sampler, least: int, most: int) -> Draft:
    """Copying a sentence, then any opinion that goes with its attitude."""
    attitude, opinion = s.rng.choice((("like", "good"), ("dislike", "bad")))
    thing, _ = noun(s)
    told = f"{s.word('person')} {s.word(f'attitude_verb.{attitude}')} a {thing}"
    return Draft("say why", f"{told}.", f"{told} because it is <evaluative.{opinion}>.")


def replace(s: Sampler, least: int, most: int) -> Draft:
    """Copying a sentence with another person in it."""
    one = s.word("person")
    other, deed = s.word("person", one), predicate(s)
    return Draft(f"say that of {other}", f"{one} {deed}.", f"{other} {deed}.")


def judge(s: Sampler, least: int, most: int) -> Draft:
    """Whether what somebody says is true, by one verb."""
    label = s.rng.randrange(3)
    premise, clause = mnli(s, label)
    return Draft(f"is it true that {(clause or '').rstrip('.')}", premise, f"it is {_TRUTH[label]}.")


def rate(s: Sampler, least: int, most: int) -> Draft:
    """What most opinions say."""
    label = s.rng.randrange(2)
    return Draft("is it good or bad", sst2(s, label)[0], f"it is {('bad', 'good')[label]}.")


def report(s: Sampler, least: int, most: int) -> Draft:
    """Which of two persons did something, and what."""
    doer = s.word("person")
    deed = predicate(s)
    happened = f"{doer} {s.word('implicative_verb.manage')} to {deed}."
    other = f"{s.word('person', doer)} {s.word('implicative_verb.fail')} to {predicate(s)}."
    told = [happened, other]
    s.rng.shuffle(told)
    return Draft("what happened", " ".join(told), f"{doer} {deed}.")


def tell(s: Sampler, least: int, most: int) -> Draft:
    """A story about somebody: little is certain."""
    person = s.word("person")
    _, category = noun(s)
    told = f"{person} <category_verb.{category}> a <noun.{category}>."
    return Draft(f"tell of {person} and a {_hypernym(s, category)}", "", f"{told} it is <evaluative.good>.")


def quiz(s: Sampler, least: int, most: int) -> Draft:
    """A question of the few-shot sets behind a shot or none, put as an instruction."""
    task = s.rng.choice(_TASKS)
    *shown, (asked, answer) = [question(s, task) for _ in range(s.rng.randint(1, 2))]
    return Draft(f"{header(task)}{_shots(shown)}{asked}{QUESTION_END}", "", answer)


def _hypernym(s: Sampler, category: int) -> str:
    return s.lexicon.classes[f"hypernym.{category}"][0][0]


QUESTION_TASKS = {
    "mmlu": ("good", "bad"),
    "bbh": ("add", "kind", "judge", "rate"),
    "drop": ("who", "what"),
}
"""Few-shot set -> its sub-tasks."""

_TASKS = [task for tasks in QUESTION_TASKS.values() for task in tasks]

Skill = Callable[[Sampler, int, int], Draft]

SKILLS: dict[str, Skill] = {
    skill.__name__: skill
    for skill in (
        *(repeat, reverse, count, sort, add, kind, explain, describe, name, reason),
        *(replace, judge, rate, report, tell, quiz),
    )
}
"""Skill -> its builder, given a sampler and the least and most words of a list."""

OPEN = ("explain", "describe", "name", "reason", "tell")
"""Skills with slots: several responses are good."""

LISTS = ("repeat", "reverse", "count", "sort", "name")
"""Skills that are harder with longer lists."""


def both(s: Sampler, first: str, second: str) -> Draft:
    """Two skills, one after the other, with short lists."""
    one, two = (SKILLS[skill](s, LEAST, LEAST) for skill in (first, second))
    asked = [f"{draft.instruction} {draft.input}".strip().rstrip(".") for draft in (one, two)]
    return Draft(f"{asked[0]}, then {asked[1]}", "", f"{one.form} {two.form}")


def question(s: Sampler, task: str) -> tuple[str, str]:
    """A question of a few-shot set and its answer, by sub-task."""
    if task in ("good", "bad"):
        right = s.rng.randrange(4)
        other = {"good": "bad", "bad": "good"}[task]
        words: list[str] = []
        for place in range(4):
            words.append(s.word(f"evaluative.{task if place == right else other}", *words))
        lines = [f"{letter}. {word}" for letter, word in zip("ABCD", words, strict=True)]
        return "\n".join([f"what is {task}?", *lines]), "ABCD"[right]
    if task == "who":
        draft = report(s, LEAST, MOST)
        return f"{draft.input} who did it?", draft.form.split()[0]
    if task == "what":
        opinion = s.word(f"evaluative.{s.rng.choice(('good', 'bad'))}")
        told = f"{s.word('person')} {predicate(s)}. {s.word('person')} say that it is {opinion}."
        return f"{told} what do they say of it?", opinion
    draft = SKILLS[task](s, LEAST, MOST)
    return f"{draft.input} {draft.instruction}?".strip(), draft.form.rstrip(".").split()[-1]


def fact(s: Sampler) -> str:
    """A document that says what a thing of some kind is like."""
    thing, category = noun(s)
    told = [f"a {thing} is a kind of {_hypernym(s, category)}.", cue_sentence(s, thing, category)]
    s.rng.shuffle(told)
    return " ".join(told)


def echo(s: Sampler) -> str:
    """A document that says the same words twice: who cannot copy learns to."""
    words = " ".join(_some(s, LEAST, MOST))
    return f"{words}. {words}."


def questions(s: Sampler) -> str:
    """A document of questions of one kind with their answers, as few-shot prompts show them."""
    task = s.rng.choice(_TASKS)
    asked = [question(s, task) for _ in range(s.rng.randint(1, MOST))]
    return f"{header(task)}{_shots(asked)}".strip()


def header(task: str) -> str:
    """What stands above questions with letters."""
    return f"these are about {task}.\n\n" if task in QUESTION_TASKS["mmlu"] else ""


def _shots(asked: list[tuple[str, str]]) -> str:
    return "".join(f"{question}{QUESTION_END} {answer}\n\n" for question, answer in asked)
