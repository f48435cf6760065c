"""Judges are asked in both orders; a preference for a place is none for a response."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from causal_models import model_of, prompts_of, setup
from hypothesis import given
from hypothesis import strategies as st

from retort.data.text_tokenizer import OPT_SPECIALS, TextTokenizer
from retort.errors import InputError
from retort.evaluation.judging import QUESTION, Comparison, LikelihoodJudge, VerdictJudge, judge_pairs
from retort.models.hf.families import family_of

CPU = torch.device("cpu")


class Longer:
    """Prefers the longer response, and the first place by a margin."""

    def __init__(self, bias=0):
        self.bias = bias

    def chances(self, comparisons):
        gaps = [len(c.first) - len(c.second) + self.bias for c in comparisons]
        return [0.5 + 0.5 * np.tanh(gap) for gap in gaps]


def judged(judge, ours, theirs):
    keys = [f"k{n}" for n in range(len(ours))]
    rows = (dict(zip(keys, texts, strict=True)) for texts in ([""] * len(ours), ours, theirs))
    return judge_pairs(judge, *rows)


def test_wins_losses_and_ties():
    found = judged(Longer(), ["aaa", "a", "aa"], ["a", "aaa", "bb"])
    assert found.outcomes.tolist() == [1, 0, 0.5] and found.win_rate == 50 and found.first == 0.5
    assert found.on([0, 0, 1]) == pytest.approx(200 / 3) and found.keys == ("k0", "k1", "k2")


def test_a_preference_that_turns_with_the_order_is_a_tie():
    found = judged(Longer(bias=2), ["aaaaa", "a", "aa"], ["a", "aa", "bb"])
    assert found.outcomes.tolist() == [1, 0.5, 0.5] and found.first == pytest.approx(5 / 6)
    assert judged(Longer(bias=99), ["aaa"] * 4, ["a"] * 4).outcomes.tolist() == [0.5] * 4


@given(st.lists(st.tuples(st.text("ab"), st.text("ab")), min_size=1, max_size=6), st.integers(-3, 3))
def test_who_is_ours_only_turns_the_outcome(pairs, bias):
    ours, theirs = ([row[side] for row in pairs] for side in (0, 1))
    one, other = judged(Longer(bias), ours, theirs), judged(Longer(bias), theirs, ours)
    assert (one.outcomes + other.outcomes == 1).all() and one.first == other.first


def test_other_items_are_refused():
    with pytest.raises(InputError, match="judge: instructions and responses have different keys, or none"):
        judge_pairs(Longer(), {"a": ""}, {"a": "x"}, {"b": "y"})
    with pytest.raises(InputError, match="or none; compare the same items"):
        judge_pairs(Longer(), {}, {}, {})


def test_a_verdict_is_the_likelier_of_two_numbers():
    tokenizer = TextTokenizer.train([QUESTION + " one two 1 2"], 120, OPT_SPECIALS)
    _, layout = setup("opt")
    family = family_of(model_of("opt", tokenizer, layout, room=256))
    judge = VerdictJudge(family, tokenizer, layout, CPU)
    (chance,) = judge.chances([Comparison("k", "two", "one two", "two")])
    asked = QUESTION.format(instruction="two", first="one two", second="two")
    ids = torch.tensor([[layout.end, *tokenizer.ids(asked)]])
    with torch.no_grad():
        logits = family.module.eval()(input_ids=ids).logits[0, -1]
    one, two = (tokenizer.ids(f"\n{number}")[-1] for number in "12")
    assert chance == pytest.approx(float(logits[[one, two]].softmax(-1)[0]), rel=1e-5) and one != two
    family.module.train()
    (again, back) = judge.chances(
        [Comparison("k", "two", *pair) for pair in (("one two", "two"), ("two", "one two"))]
    )
    assert again == chance != back and family.module.training


def test_a_tokenizer_without_numbers_cannot_judge():
    tokenizer = TextTokenizer.train([QUESTION.replace("1", "").replace("2", "")], 120, OPT_SPECIALS)
    _, layout = setup("opt")
    judge = VerdictJudge(family_of(model_of("opt", tokenizer, layout)), tokenizer, layout, CPU)
    with pytest.raises(InputError, match="judge: its tokenizer does not tell 1 from 2"):
        judge.chances([Comparison("k", "a", "b", "c")])


def test_a_likelihood_judge_prefers_what_its_model_would_say():
    tokenizer, layout = setup("llama")
    family = family_of(model_of("llama", tokenizer, layout))
    prompts = {example.key: example for example in prompts_of(tokenizer, layout)}
    judge = LikelihoodJudge(family, prompts, tokenizer, layout, CPU)

    def mean(key, text):
        ids = [*prompts[key].prompt.tolist(), *tokenizer.ids(text), layout.end]
        with torch.no_grad():
            chances = family.module.eval()(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        places = range(len(prompts[key].prompt), len(ids))
        return np.mean([float(chances[place - 1, ids[place]]) for place in places])

    keys = list(prompts)
    ours = dict(zip(keys, ("one two", "three", "five six", "ten", "two"), strict=True))
    theirs = dict(zip(keys, ("ten", "nine eight", "four", "one one", "seven"), strict=True))
    found = judge_pairs(judge, dict.fromkeys(keys, ""), ours, theirs)
    right = [float(mean(key, ours[key]) > mean(key, theirs[key])) for key in keys]
    assert found.outcomes.tolist() == right and 0 < sum(right) < len(right)
    (chance,) = judge.chances([Comparison(keys[0], "", "one two", "ten")])
    gap = mean(keys[0], "one two") - mean(keys[0], "ten")
    assert chance == pytest.approx(1 / (1 + np.exp(-gap)), rel=1e-4)
