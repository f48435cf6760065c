"""Instructions of the pocket world: official files, right answers, many good responses at slots."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from retort.data.instructions.formats import file_of, read_instructions
from retort.data.instructions.sets import spec_of
from retort.data.pocket.instructions import (
    DOCUMENTS,
    PAIRED,
    PocketInstructions,
    drafts,
    generate_instructions,
    instruction_documents,
    new_pairs,
    open_records,
    question_records,
    trained_pairs,
)
from retort.data.pocket.lexicon import Sampler, make_lexicon
from retort.data.pocket.skills import LISTS, MOST, OPEN, QUESTION_TASKS, SKILLS, Draft, question
from retort.errors import InputError

LEXICON = make_lexicon(1)
OPEN_SETS = ("alpaca_gpt4", "dolly", "self_inst", "vicuna", "koala", "wizardlm")
SETS = (*OPEN_SETS, *QUESTION_TASKS)
SIZES = PocketInstructions(documents=80, train=60, dev=30)


def sampler(seed=1):
    return Sampler(LEXICON, random.Random(seed), 0.9)


def drawn(skill, count=60):
    s = sampler()
    return [SKILLS[skill](s, 2, MOST) for _ in range(count)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pocket") / "world"
    generate_instructions(1, folder, SIZES, SETS)
    return folder


def test_files_are_read_as_official_ones(world):
    for name in SETS:
        found = read_instructions(name, file_of(name, world))
        assert len(found) == (60 if name == "alpaca_gpt4" else 30)
        assert all(len(item.shots) == spec_of(name).shots for item in found)
    vicuna = read_instructions("vicuna", file_of("vicuna", world))
    assert {item.group for item in vicuna} == set(OPEN)
    assert sum(len(item.responses) > 1 for item in vicuna) > 25


def test_the_same_seed_gives_the_same_bytes_and_parts_do_not_depend_on_each_other(world, tmp_path):
    def contents(folder):
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    generate_instructions(1, tmp_path / "again", SIZES, SETS)
    assert contents(tmp_path / "again") == contents(world)
    few = PocketInstructions(documents=7, train=60, dev=30)
    generate_instructions(1, tmp_path / "few", few, ("koala", "alpaca_gpt4"))
    for path, content in contents(tmp_path / "few").items():
        assert (content == contents(world)[path]) == (path != "corpus/world.jsonl")
    generate_instructions(2, tmp_path / "other", SIZES, ("koala",), corpus=False)
    assert contents(tmp_path / "other").keys() == {"instructions/koala.jsonl", "lexicon.json"}
    assert (
        contents(tmp_path / "other")["instructions/koala.jsonl"]
        != contents(world)["instructions/koala.jsonl"]
    )


@pytest.mark.parametrize("skill", SKILLS)
def test_responses_fit_and_start_with_the_answer(skill):
    s = sampler(2)
    for draft in drawn(skill):
        responses = {draft.response(s) for _ in range(8)}
        assert all(draft.fits(text, LEXICON) for text in responses)
        assert (len(responses) > 1 or skill == "reason") if "<" in draft.form else responses == {draft.form}
        assert draft.answer is None or all(text.startswith(draft.answer) for text in responses)
        for text in responses:
            assert not draft.fits(text + " it", LEXICON) and not draft.fits(text[:-1], LEXICON)
    assert (skill in OPEN) == ("<" in draft.form)


def test_forms():
    draft = Draft("say", "", "a bo is a kind of saka. it is <evaluative.good>.")
    good, bad = (LEXICON.classes[f"evaluative.{kind}"][3][1] for kind in ("good", "bad"))
    assert draft.fits(f"a bo is a kind of saka. it is {good}.", LEXICON)
    assert not draft.fits(f"a bo is a kind of saka. it is {bad}.", LEXICON)
    assert not draft.fits(f"a boxis a kind of saka. it is {good}.", LEXICON)
    assert draft.answer == "a bo is a kind of saka."
    assert (
        Draft("", "", "it is <person>. no.").answer is None and Draft("", "", "no. yes.").answer == "no. yes."
    )


def test_lists_and_sums_are_right():
    for draft in drawn("reverse"):
        assert draft.form == " ".join(reversed(draft.input.split())) + "."
    for draft in drawn("repeat"):
        assert draft.form == f"{draft.input}." and len(set(draft.input.split())) == len(draft.input.split())
    for draft in drawn("sort"):
        assert draft.form == " ".join(sorted(draft.input.split())) + "."
    for draft in drawn("count"):
        assert draft.form == f"there are {len(draft.input.split())}."
    for draft in drawn("add"):
        _, _, one, _, other = draft.instruction.split()
        assert draft.form == f"{one} and {other} is {int(one) + int(other)}."


def test_knowledge_is_the_lexicon_s():
    for draft in drawn("kind"):
        thing = draft.instruction.split()[-1]
        category = LEXICON.class_of[thing].removeprefix("noun.")
        assert draft.form == f"a {thing} is a kind of {LEXICON.classes[f'hypernym.{category}'][0][0]}."
    answers = {"factive": "true", "nonfactive": "unknown", "antifactive": "false"}
    for draft in drawn("judge"):
        verb = LEXICON.class_of[draft.input.split()[1]].removeprefix("embedding_verb.")
        assert draft.form == f"it is {answers[verb]}." and draft.instruction[15:] in draft.input
    for draft in drawn("report"):
        told = [sentence.split() for sentence in draft.input.rstrip(".").split(". ")]
        (right,) = (s for s in told if LEXICON.class_of[s[1]] == "implicative_verb.manage")
        assert draft.form == f"{right[0]} {' '.join(right[3:])}."
    for draft in drawn("reason"):
        liked = LEXICON.class_of[draft.input.split()[1]] == "attitude_verb.like"
        assert f"<evaluative.{'good' if liked else 'bad'}>" in draft.form


def test_questions_have_one_right_answer():
    s = sampler()
    for _ in range(60):
        for task in ("good", "bad"):
            asked, answer = question(s, task)
            kinds = {line[0]: LEXICON.class_of[line[3:]] for line in asked.split("\n")[1:]}
            assert [letter for letter, kind in kinds.items() if kind == f"evaluative.{task}"] == [answer]
        asked, answer = question(s, "what")
        assert asked.split().count(f"{answer}.") == 1 and LEXICON.class_of[answer].startswith("evaluative.")
        asked, answer = question(s, "who")
        words = asked.split()
        place = words.index(answer)
        assert LEXICON.class_of[words[place + 1]] == "implicative_verb.manage" and words.count(answer) == 1
        asked, answer = question(s, "add")
        numbers = [int(word) for word in asked.rstrip("?").split() if word.isdigit()]
        assert sum(numbers) == int(answer)


def test_pairs_that_are_new_are_new_though_their_parts_are_not():
    assert not set(new_pairs()) & set(trained_pairs())
    assert (len(new_pairs()), len(trained_pairs())) == (5, 15)
    for place in (0, 1):
        assert (
            {pair[place] for pair in new_pairs()} == {pair[place] for pair in trained_pairs()} == set(PAIRED)
        )
    found = Counter(skill for skill, _ in drafts("alpaca_gpt4", sampler(), 2000))
    assert {skill for skill in found if "+" in skill} == {"+".join(pair) for pair in trained_pairs()}
    assert {skill for skill, _ in drafts("koala", sampler(), 100)} == {"+".join(pair) for pair in new_pairs()}
    assert found["quiz"] > found["report"] > found["add"] > 50


def test_harder_lists_are_longer():
    lengths = {skill: set() for skill in LISTS if skill != "name"}
    for skill, draft in drafts("wizardlm", sampler(), 200):
        if skill in lengths:
            lengths[skill].add(len(draft.input.split()))
    assert lengths == {"repeat": {4}, "reverse": {4}, "count": {3, 4, 5, 6}, "sort": {4}}


def test_corpus_documents():
    found = instruction_documents(LEXICON, random.Random(1), 200)
    assert len(found) == 200
    asked = [document for document in found if "\nAnswer: " in document]
    assert len(asked) == round(200 * DOCUMENTS["questions"])
    assert len({document.count("\nAnswer: ") for document in asked}) > 1
    twice = [d for d in found if len(halves := d.rstrip(".").split(". ")) == 2 and halves[0] == halves[1]]
    assert len(twice) >= 200 * DOCUMENTS["echo"]


def test_empty_and_unknown_sets_are_refused():
    with pytest.raises(InputError, match="dolly: cannot draw 0 instructions; ask for at least one"):
        open_records("dolly", LEXICON, random.Random(1), 0)
    with pytest.raises(InputError, match="mmlu: cannot draw 0 questions; ask for at least one"):
        question_records("mmlu", LEXICON, random.Random(1), 0)
    with pytest.raises(InputError, match="cannot write a corpus of 0 documents; ask for at least one"):
        instruction_documents(LEXICON, random.Random(1), 0)
    with pytest.raises(InputError, match="the pocket world has no gsm8k; it has alpaca_gpt4, dolly, "):
        open_records("gsm8k", LEXICON, random.Random(1), 5)
