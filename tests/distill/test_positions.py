"""Which words count, and what each counts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.positions import Positions, TokenGroup

PREDICTED = torch.tensor(
    [[0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]], dtype=torch.bool
)


def shown(mask):
    return ["".join(".x"[int(each)] for each in row) for row in mask.where(PREDICTED)]


@pytest.mark.parametrize(
    ("mask", "rows"),
    [
        (Positions(), ["..xxx.", ".x....", "xxxxx.", "......"]),
        (Positions(last=False), ["..xx..", "......", "xxxx..", "......"]),
        (Positions(first=True), [".xxxx.", "xx....", "xxxxx.", "......"]),
        (Positions(first=True, last=False), [".xxx..", "x.....", "xxxx..", "......"]),
        (Positions("ignored"), ["xx....", "x.xxx.", "......", "xxxxx."]),
        (TokenGroup(last=False), ["..xx..", "......", "xxxx..", "......"]),
    ],
)
def test_words_near_those_to_predict(mask, rows):
    """The last position has no next word, so that it is nothing to ignore either."""
    assert shown(mask) == rows


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 20))
def test_groups_are_two_parts_of_the_words(values, twentieths):
    unsure, share = torch.tensor(values, dtype=torch.float64), twentieths / 20
    hard = TokenGroup(group="hard", share=share).members(unsure)
    easy = TokenGroup(group="easy", share=share).members(unsure)
    assert torch.equal(hard, ~easy)
    assert hard.sum() == math.ceil(share * len(values))
    if hard.any() and easy.any():
        assert unsure[hard].min() >= unsure[easy].max()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_groups_by_the_lower_median(values):
    unsure = torch.tensor(values, dtype=torch.float64)
    hard = TokenGroup(split="median").members(unsure)
    threshold = sorted(values)[(len(values) - 1) // 2]
    assert hard.tolist() == [value >= threshold for value in values]
    assert torch.equal(TokenGroup(group="easy", split="median").members(unsure), ~hard)
    if len(set(values)) == len(values):
        assert (~hard).sum() == (len(values) - 1) // 2


def test_of_equals_the_first_are_hard():
    unsure = torch.tensor([0.3, 0.5, 0.5, 0.5, 0.9])
    assert TokenGroup(share=0.5).members(unsure).tolist() == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, [2.0, 2.0, 4 * 0.5]),
        ({"group": "easy"}, [2.0, 2.0, 4 * 0.5]),
        ({"split": "median"}, [1.0, 3.0, 4 * 0.25]),
        ({"share": 0.0}, [4.0, 0.0, 4 * 1.0]),
        ({"share": 1.0}, [0.0, 4.0, 4 * 0.125]),
        ({"scope": "sequence"}, [1.0, 3.0, 3 * 0.25 + 0.5]),
    ],
)
def test_how_words_were_parted(settings, told):
    """Easy and hard words, and the lowest value of a hard one for each word; 1 where none is hard."""
    where = torch.tensor([[True, True, True], [False, True, False], [False, False, False]])
    values = torch.tensor([0.25, 0.75, 0.125, 0.5], dtype=torch.float64)
    mask = TokenGroup(**settings)
    assert mask.parted(where, values, values, 0).tolist() == told
    none = mask.parted(torch.zeros_like(where), values[:0], values[:0], 0)
    assert none.tolist() == [0.0, 0.0, 0.0]


def test_of_a_batch_a_micro_batch_tells_its_own_words():
    values = torch.tensor([0.9, 0.1, 0.2, 0.8, 0.3])
    parts = [
        TokenGroup().parted(torch.ones(1, len(part), dtype=torch.bool), part, values, start)
        for start, part in ((0, values[:2]), (2, values[2:]))
    ]
    assert parts[0].tolist() == pytest.approx([1.0, 1.0, 2 * 0.3])
    assert parts[1].tolist() == pytest.approx([1.0, 2.0, 3 * 0.3])


def test_no_words_no_members():
    for mask in (Positions(), TokenGroup(), TokenGroup(split="median")):
        assert mask.members(torch.zeros(0)).shape == (0,)


@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(1, 5),
    size=st.integers(1, 5),
    scope=st.sampled_from(["batch", "micro_batch", "sequence"]),
    group=st.sampled_from(["hard", "easy"]),
    mean=st.sampled_from(["group", "words"]),
    share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_weights_make_the_mean_of_each_scope(seed, rows, size, scope, group, mean, share):
    """Against means written out, scope by scope."""
    g = torch.Generator().manual_seed(seed)
    where = torch.rand(rows, 6, generator=g) < 0.6
    unsure, loss = (torch.rand(rows, 6, generator=g, dtype=torch.float64) for _ in range(2))
    mask = TokenGroup(scope=scope, group=group, mean=mean, share=share)
    total, naive = torch.zeros(()).double(), torch.zeros(()).double()
    everywhere = unsure[where]
    for first in range(0, rows, size):
        part = slice(first, first + size)
        start = int(where[:first].sum())
        picked = mask.pick(where[part], unsure[part][where[part]], rows, everywhere, start)
        assert not (picked.where & ~where[part]).any() and len(picked.weights) == picked.where.sum()
        total += (loss[part][picked.where] * picked.weights).sum() / rows
    cuts = {"batch": [slice(0, rows)], "sequence": [slice(r, r + 1) for r in range(rows)],
            "micro_batch": [slice(r, min(rows, r + size)) for r in range(0, rows, size)]}  # fmt: skip
    for part in cuts[scope]:
        values, losses = unsure[part][where[part]], loss[part][where[part]]
        chosen = mask.members(values)
        count = chosen.sum() if mean == "group" else len(values)
        if count:
            naive += losses[chosen].sum() / count * (part.stop - part.start) / rows
    torch.testing.assert_close(total, naive)


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"share": -0.1}, {"share": 0.3, "split": "median"}])
def test_shares_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="share is from 0 to 1, and a half for the median"):
        TokenGroup(**settings)
