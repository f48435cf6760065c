"""Sentence and sentence-pair tasks of the pocket world, under the names and in the classes of GLUE.

As in the SuperGLUE sets, labels follow from the classes of a few cue words, never from comparing two
open-class items; who has not learned from the corpus which words go together cannot label validation
examples, whose words are mostly new. Entailment (MNLI, QNLI, RTE) turns on the class of one word,
acceptability on a word and its place, sentiment on a majority, paraphrase and similarity on the cues of both
sentences.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from retort.data.glue.formats import GlueExample
from retort.data.glue.tasks import spec_of
from retort.data.pocket.lexicon import Lexicon, Sampler
from retort.data.pocket.tasks import HEAD_SHARE, UNSEEN_SHARE, cue_sentence, noun, predicate, spread
from retort.errors import InputError

Texts = tuple[str, str | None]

OPPOSITES = {
    "evaluative": ("good", "bad"),
    "attitude_verb": ("like", "dislike"),
    "implicative_verb": ("manage", "fail"),
}
"""Word classes in two halves of opposite meaning: what paraphrase and similarity turn on."""

_CERTAINTY = ("factive", "nonfactive", "antifactive")

USUAL_SHARE = 0.8
"""Share of first sentences (paraphrase, similarity) that say the pleasant thing."""

STSB_JITTER = 0.3
"""Largest departure of a similarity score from what the words say, like disagreeing annotators."""

_CLAUSES = {"embedding_verb": "that", "implicative_verb": "to"}
_KINDS = {"embedding_verb": ("factive", "antifactive", "nonfactive"), "implicative_verb": ("manage", "fail")}
_VIOLATIONS = ("order", "complement", "class")


def _cue(s: Sampler, family: str, half: int) -> str:
    """A word of the first (0) or second (1) half of a class of opposites."""
    return s.word(f"{family}.{OPPOSITES[family][half]}")


def cola(s: Sampler, label: int) -> Texts:
    """A sentence, or one with two words exchanged, the wrong complement or a word of the wrong class."""
    verb = s.rng.choice(tuple(_CLAUSES))
    violation = "" if label else s.rng.choice(_VIOLATIONS)
    complement = verb
    if violation == "complement":
        complement = next(other for other in _CLAUSES if other != verb)
    words = [s.word("person"), s.word(f"{verb}.{s.rng.choice(_KINDS[verb])}"), _CLAUSES[complement]]
    words += [s.word("person", words[0])] if complement == "embedding_verb" else []
    words += predicate(s).split()
    if violation == "order":
        place = s.rng.randrange(len(words) - 1)
        words[place : place + 2] = reversed(words[place : place + 2])
    elif violation == "class":
        words[-1] = s.word(f"category_verb.{s.category()}")
    return f"{' '.join(words)}.", None


def _usual(s: Sampler) -> int:
    """Which half the cue of a first sentence is from: mostly the first.

    So the second sentence alone decides most examples and only the rest needs both: telling two classes
    equal or not is what models this small learn last.
    """
    return 0 if s.chance(USUAL_SHARE) else 1


def sst2(s: Sampler, label: int) -> Texts:
    """Two of three opinions agree and decide."""
    half = 1 - label
    first, third = _cue(s, "evaluative", half), _cue(s, "evaluative", label if s.chance(0.4) else half)
    if s.chance(0.5):
        thing, _ = noun(s)
        opinion = f"the {thing} is {first} and {_cue(s, 'evaluative', half)}."
    else:
        opinion = f"{s.word('person')} {_cue(s, 'attitude_verb', half)} it because it is {first}."
    return f"{opinion} {s.word('person')} say that it is {third}.", None


def _framed(s: Sampler, family: str, person: str, thing: str, deed: str, half: int) -> str:
    cue = _cue(s, family, half)
    if family == "evaluative":
        return f"{person} say that the {thing} is {cue}"
    return f"{person} {cue} to {deed}" if family == "implicative_verb" else f"{person} {cue} a {thing}"


def _paraphrase(s: Sampler, same: int, form: str) -> Texts:
    """Two sentences alike but for the cue: another word of the same half of its class, or of the other."""
    family = s.rng.choice(tuple(OPPOSITES))
    person, (thing, _), deed = s.word("person"), noun(s), predicate(s)
    first = _usual(s)
    halves = (first, first if same else 1 - first)
    one, two = (form.format(_framed(s, family, person, thing, deed, half)) for half in halves)
    return one, two


def mrpc(s: Sampler, label: int) -> Texts:
    """Two statements, equivalent iff their cue words mean the same."""
    return _paraphrase(s, label, "{}.")


def qqp(s: Sampler, label: int) -> Texts:
    """Two questions, duplicates iff their cue words mean the same."""
    return _paraphrase(s, label, "is it true that {}?")


def stsb(s: Sampler, label: int) -> Texts:
    """Two reviews that agree on the attitude (2 points) and on the opinion (3 points), or not."""
    halves = [_usual(s), _usual(s)]
    other = [half if label >> bit & 1 else 1 - half for bit, half in enumerate(halves)]
    thing, _ = noun(s)
    return _review(s, thing, *halves), _review(s, thing, *other)


def _review(s: Sampler, thing: str, attitude: int, opinion: int) -> str:
    verb, adjective = _cue(s, "attitude_verb", attitude), _cue(s, "evaluative", opinion)
    return f"{s.word('person')} {verb} a {thing}. it is {adjective}."


def mnli(s: Sampler, label: int) -> Texts:
    """The embedding verb makes its clause true, unknown or false."""
    speaker = s.word("person")
    clause = f"{s.word('person', speaker)} {predicate(s)}"
    return f"{speaker} {s.word(f'embedding_verb.{_CERTAINTY[label]}')} that {clause}.", f"{clause}."


def mnli_mismatched(s: Sampler, label: int) -> Texts:
    """The other genre: behind the premise comes a sentence that has nothing to do with it."""
    premise, hypothesis = mnli(s, label)
    thing, category = noun(s)
    return f"{premise} {cue_sentence(s, thing, category)}", hypothesis


def rte(s: Sampler, label: int) -> Texts:
    """The implicative verb decides whether its complement happened."""
    person, deed = s.word("person"), predicate(s)
    return f"{person} {_cue(s, 'implicative_verb', label)} to {deed}.", f"{person} {deed}."


def qnli(s: Sampler, label: int) -> Texts:
    """Three kinds of questions; a word of the right class answers, another in the same place does not."""
    asked, (thing, category) = s.rng.randrange(3), noun(s)
    if asked == 0:
        fits = f"category_adjective.{category}"
        told = s.word(fits) if label else _cue(s, "evaluative", s.rng.randrange(2))
        return f"is the {thing} good?", f"the {thing} is {told}."
    person = s.word("person")
    if asked == 1:
        fits = f"category_verb.{category}"
        told = s.word(fits) if label else _cue(s, "attitude_verb", s.rng.randrange(2))
        return f"what does {person} want?", f"{person} {told} a {thing}."
    verb = s.word(f"embedding_verb.{_CERTAINTY[1] if label else s.rng.choice(_CERTAINTY[::2])}")
    clause = f"{person} {predicate(s)}"
    return f"is it true that {clause}?", f"{s.word('person', person)} {verb} that {clause}."


BUILDERS: dict[tuple[str, str], Callable[[Sampler, int], Texts]] = {
    ("CoLA", ""): cola,
    ("SST-2", ""): sst2,
    ("MRPC", ""): mrpc,
    ("QQP", ""): qqp,
    ("STS-B", ""): stsb,
    ("MNLI", ""): mnli,
    ("MNLI", "val_mismatched"): mnli_mismatched,
    ("QNLI", ""): qnli,
    ("RTE", ""): rte,
}
"""(Task, split that is different) -> its builder, given the wanted class (STS-B: agreement, two bits)."""


def glue_set(task: str, split: str, lexicon: Lexicon, rng: random.Random, size: int) -> list[GlueExample]:
    """Draw ``size`` examples of one split, classes evenly spread.

    Training uses even-indexed synonym groups only; a validation example uses odd-indexed ones with
    probability ``UNSEEN_SHARE``, else even-indexed ones.

    Raises:
        InputError: ``size`` is not positive.
    """
    if size < 1:
        raise InputError(f"{task}: cannot draw {size} examples; ask for at least one")
    build = BUILDERS.get((task, split), BUILDERS[task, ""])
    classes = len(spec_of(task).labels) or 4
    seen, unseen = (Sampler(lexicon, rng, HEAD_SHARE, parity=parity) for parity in (0, 1))
    examples = []
    for number, wanted in enumerate(spread(dict.fromkeys(range(classes), 1.0), size, rng)):
        sampler = unseen if split != "train" and rng.random() < UNSEEN_SHARE else seen
        first, second = build(sampler, wanted)
        label: int | float = wanted if task != "STS-B" else _similarity(wanted, rng)
        examples.append(GlueExample(f"{task}/{split}/{number}", first, second, label))
    return examples


def _similarity(agreement: int, rng: random.Random) -> float:
    exact = 2 * (agreement & 1) + 3 * (agreement >> 1)
    return round(min(5.0, max(0.0, exact + rng.uniform(-STSB_JITTER, STSB_JITTER))), 3)
