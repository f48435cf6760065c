"""The ledger of the ATKD paper: what every switch changes, in which rows, and that it does what it says."""

import itertools
from dataclasses import replace

import pytest
import torch
from causal_language import CausalFamily, prompts_and_answers, teacher_of

from retort.distill.binding import BoundObjective
from retort.distill.distances import KL, ReverseKL
from retort.distill.positions import Positions, TokenGroup
from retort.distill.schedules import Clock
from retort.models.features import WORDS
from retort.quirks import ATKD_LEDGER, LEDGERS, rewrite, rows_of
from retort.recipes import atkd, cka, glmd

METHODS = {method.name: method for method in atkd.METHODS}
COMPARED = set(METHODS) - {"SFT", "SeqKD"}
ADAPTIVE = {name for name in METHODS if name.endswith("+ ATKD")}
ON_OWN_TEXTS = {"ImitKD", "f-distill", "GKD", "f-distill JSD", "MiniLLM regulariser", "ImitKD + ATKD",
                "f-distill + ATKD", "GKD + ATKD"}  # fmt: skip
CHANGES = {
    ("median-split", "as_released"): ADAPTIVE,
    ("split-scope", "as_released"): ADAPTIVE,
    ("group-means", "as_reimplemented"): ADAPTIVE,
    ("tvd-mask", "as_released"): {"f-distill"},
    ("jsd-name", "as_released"): {"GKD"},
    ("dkd-weights", "as_published"): {"Decoupled KD"},
    ("micro-batch-means", "as_released"): COMPARED - ADAPTIVE,
    ("end-of-text", "as_released"): COMPARED,
    ("prompt-end", "as_released"): ON_OWN_TEXTS,
    ("abkd-script", "as_released"): {"ABKD"},
}
"""The rows that each switch changes."""


def test_every_entry_says_why():
    assert len({quirk.id for quirk in LEDGERS}) == len(LEDGERS)
    for quirk in ATKD_LEDGER:
        assert quirk in LEDGERS
        assert quirk.methods and set(quirk.methods) <= set(METHODS), quirk.id
        assert len(set(quirk.methods)) == len(quirk.methods), quirk.id
        assert "WHU-ZQH/ATKD" in quirk.evidence or "et al. (20" in quirk.evidence, quirk.id
        assert quirk.effect, quirk.id


def test_every_switch_is_tested():
    assert {(q.id, switch) for q in ATKD_LEDGER for switch in q.switches} == set(CHANGES)


@pytest.mark.parametrize(("quirk", "switch"), CHANGES)
def test_a_switch_changes_its_rows_and_no_others(quirk, switch):
    (entry,) = (each for each in ATKD_LEDGER if each.id == quirk)
    rows = CHANGES[quirk, switch]
    assert set(rows_of(entry, atkd.METHODS)) == set(entry.methods) == rows
    for name, method in METHODS.items():
        changed = rewrite(method, {quirk: switch})
        assert (changed != method) == (name in rows), name
        assert replace(changed, steps=method.steps, chain=method.chain) == method
        assert changed.steps[0] == method.steps[0], "the original checkpoint is nobody's own"


def test_the_papers_leave_each_other_alone():
    others = (*glmd.METHODS, *cka.METHODS)
    for quirk, switch in CHANGES:
        assert all(rewrite(method, {quirk: switch}) == method for method in others)
    for quirk in LEDGERS:
        if quirk not in ATKD_LEDGER:
            for switch in quirk.switches:
                assert all(rewrite(m, {quirk.id: switch}) == m for m in atkd.METHODS), quirk.id


@pytest.mark.parametrize("switches", list(itertools.combinations(CHANGES, 2)), ids=str)
def test_switches_combine_in_any_order(switches):
    """But where all that counts is what others ignore: then there is one way, that of the ledger."""
    for name in CHANGES[switches[0]] & CHANGES[switches[1]]:
        method = METHODS[name]
        one, other = (
            rewrite(rewrite(method, dict([first])), dict([second]))
            for first, second in (switches, switches[::-1])
        )
        assert one == other == rewrite(method, dict(switches))


# What they do, against plain torch on the logits of two tiny models

BATCH = prompts_and_answers()
STUDENT, TEACHER = CausalFamily(8, 0), teacher_of()


def logits():
    return (
        family.observe(BATCH, frozenset({WORDS}))[WORDS].dense().detach() for family in (STUDENT, TEACHER)
    )


def loss_of(name, switches, size=6):
    objective = rewrite(METHODS[name], switches).steps[-1].objective
    bound = BoundObjective(objective, STUDENT.shape, [TEACHER.shape])
    return sum(
        each.total for each in bound.losses(BATCH.split(size), STUDENT, [TEACHER], Clock(0, 1))
    ).detach()


def test_micro_batches_have_means_of_their_own():
    at = KL()(*logits())
    for size in (1, 4, 6):
        parts = [slice(first, min(6, first + size)) for first in range(0, 6, size)]
        naive = sum(at[part][BATCH.predicted[part]].mean() * (part.stop - part.start) / 6 for part in parts)
        torch.testing.assert_close(
            loss_of("Supervised KD", {"micro-batch-means": "as_released"}, size), naive
        )


def test_the_last_word_is_never_learnt():
    at = ReverseKL()(*logits())
    kept = BATCH.predicted.clone()
    for row in kept:
        row[row.nonzero()[-1]] = False
    torch.testing.assert_close(loss_of("Reverse KD", {"end-of-text": "as_released"}), at[kept].mean())


def test_the_last_word_of_the_prompt_is_learnt_too():
    at = KL()(*logits())
    more = BATCH.predicted.clone()
    for row in more:
        first = int(row.nonzero()[0])
        if first:
            row[first - 1] = True
    assert more.sum() == BATCH.predicted.sum() + 5  # one prompt is a single word, which nothing predicts
    torch.testing.assert_close(loss_of("ImitKD", {"prompt-end": "as_released"}), at[more].mean())


def test_total_variation_of_all_that_is_ignored():
    ours, theirs = (x.softmax(-1)[:, :-1] for x in logits())
    at = (ours - theirs).abs().sum(-1) / 2
    found = loss_of("f-distill", {"tvd-mask": "as_released"})
    torch.testing.assert_close(found, at[~BATCH.predicted[:, :-1]].mean())


def test_what_is_called_a_jsd():
    at = 0.9 * KL()(*logits()) + 0.1 * ReverseKL()(*logits())
    torch.testing.assert_close(loss_of("GKD", {"jsd-name": "as_released"}), at[BATCH.predicted].mean())


def test_the_script_of_abkd_is_reverse_kl():
    at = ReverseKL()(*logits())[BATCH.predicted].mean()
    torch.testing.assert_close(loss_of("ABKD", {"abkd-script": "as_released"}), at)


def masks(name, switches):
    return [term.mask for term in rewrite(METHODS[name], switches).steps[-1].objective.terms]


def test_groups():
    name = "Supervised KD + ATKD"
    everything = {quirk: switch for quirk, switch in CHANGES if name in CHANGES[quirk, switch]}
    for group, mask in zip(("easy", "hard"), masks(name, everything), strict=True):
        assert mask == TokenGroup(last=False, scope="micro_batch", group=group, split="median", mean="words")
    assert masks("Decoupled KD", {"end-of-text": "as_released"}) == [Positions(last=False)]
    half = loss_of(name, {"group-means": "as_reimplemented"})
    assert int(BATCH.predicted.sum()) % 2 == 0
    torch.testing.assert_close(half, loss_of(name, {}) / 2)
