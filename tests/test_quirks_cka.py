"""The ledger of the CKA paper: what every switch changes, in which rows, and that it does what it says."""

import itertools
import re
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from retort.distill.binding import BoundObjective, Seen
from retort.distill.schedules import Clock
from retort.errors import InputError
from retort.models.features import HARD, WORDS, Features, Shape, Site, Totals, WordLogits, moved_right
from retort.quirks import CKA_LEDGER, LEDGER, LEDGERS, rewrite, rows_of
from retort.recipes import cka, glmd
from retort.training.probes import linear_cka

METHODS = {method.name: method for method in cka.METHODS}
ALIGNED = {"BART CKA", "BART CKA cnn", "BART CKA forward", "BART CKA C4", "BART CKA alone",
           "BART CKA weighted", "mBART CKA", "mBART CKA forward", "T5 CKA", "BERT CKA", "BERT CKA 3",
           "BERT CKA 8", "BERT CKA 16"}  # fmt: skip
REVERSED = {"BART CKA", "BART CKA cnn", "BART CKA C4", "BART none", "BART none C4", "mBART CKA", "mBART none"}
LAST_ALREADY = {"BART CKA cnn", "BART CKA forward", "mBART cosine"}
DECODED = {name for name in METHODS if not name.startswith("BERT")} - {
    "BART none",
    "T5 labels",
    "BART none C4",
}
BART_OR_MBART = {name for name, method in METHODS.items() if method.family in ("bart", "mbart")}
CHANGES = {
    "cka-root": ALIGNED,
    "cka-micro-batch": ALIGNED,
    "divergence-direction": REVERSED,
    "linear-temperature": {"BART linear cnn"},
    "decoder-mask": DECODED,
    "copied-layers": set(METHODS) - LAST_ALREADY,
    "random-tensors": set(METHODS) - {"BART cosine", "mBART cosine", "T5 CKA", "T5 labels"},
    "decoder-norm": BART_OR_MBART - {"BART cosine"},
    "t5-copies": {"T5 CKA", "T5 labels"},
    "bert-8-copies": {"BERT CKA 8", "BERT linear 8"},
    "bert-16-norms": {"BERT CKA 16"},
    "none-from-linear": {"mBART none"},
}
"""The rows that each switch (all are ``fixed``) changes."""


def fixed(*names):
    return dict.fromkeys(names, "fixed")


def test_every_entry_says_why():
    assert len({quirk.id for quirk in LEDGERS}) == len(LEDGERS)
    for quirk in CKA_LEDGER:
        assert quirk.methods and set(quirk.methods) <= set(METHODS), quirk.id
        assert len(set(quirk.methods)) == len(quirk.methods), quirk.id
        assert re.search(r"Sayan21/-ICLR25-CKA", quirk.evidence) and quirk.effect, quirk.id
        assert set(quirk.switches) <= {"as_published", "fixed"}, quirk.id


def test_every_switch_is_tested():
    assert {(q.id, switch) for q in CKA_LEDGER for switch in q.switches} == {(n, "fixed") for n in CHANGES}


@pytest.mark.parametrize("switch", CHANGES)
def test_a_switch_changes_its_rows_and_no_others(switch):
    (quirk,) = (quirk for quirk in CKA_LEDGER if quirk.id == switch)
    assert set(rows_of(quirk, cka.METHODS)) == set(quirk.methods) == CHANGES[switch]
    for name, method in METHODS.items():
        changed = rewrite(method, fixed(switch))
        assert (changed != method) == (name in CHANGES[switch]), name
        assert replace(changed, steps=method.steps, cut=method.cut) == method
        assert len(changed.steps) == len(method.steps)


def test_the_papers_leave_each_other_alone():
    for switch in CHANGES:
        assert all(rewrite(method, fixed(switch)) == method for method in glmd.METHODS)
    for quirk in LEDGER:
        for switch in quirk.switches:
            assert all(rewrite(method, {quirk.id: switch}) == method for method in cka.METHODS), quirk.id
    with pytest.raises(InputError, match="quirks.t5-unreleased: no switch 'fixed'; it has as_run"):
        rewrite(cka.T5[0], fixed("t5-unreleased"))


@pytest.mark.parametrize("switches", list(itertools.combinations(CHANGES, 2)), ids="+".join)
def test_switches_combine_in_any_order(switches):
    for name in CHANGES[switches[0]] & CHANGES[switches[1]]:
        method = METHODS[name]
        one, other = (
            rewrite(rewrite(method, fixed(first)), fixed(second))
            for first, second in (switches, switches[::-1])
        )
        assert one == other == rewrite(method, fixed(*switches)) != method


# Against plain torch, on given features of two stacks of two layers


def random(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


ATTENDED = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=torch.bool)
VALID = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)
ENDS = ((0, 0), (1, 2), (2, 4))


def side(width, layers, seed):
    values = {Site("encoder", i): random(3, 4, width, seed=seed + i) for i in range(layers + 1)}
    values |= {Site("hidden", i): random(3, 5, width, seed=seed + 10 + i) for i in range(layers + 1)}
    values[WORDS] = WordLogits(random(3, 5, 7, seed=seed + 20), torch.eye(7, dtype=torch.float64))
    values[HARD] = random(3, seed=seed + 30)
    return Features(values, VALID, VALID, torch.arange(3), ATTENDED)


STUDENT, TEACHER = side(4, 2, 0), side(6, 4, 100)
TOTALS = Totals(3, 3, int(VALID.sum()), int(VALID.sum()), int(VALID[:, :-1].sum()), int(ATTENDED.sum()))


def parts_of(method, step=-1):
    bound = BoundObjective(
        method.steps[step].objective, Shape(2, 4, 2, 7, 2), [Shape(4, 6, 2, 7, 4)]
    ).double()
    found = bound.compare(Seen(STUDENT, (TEACHER,)), None, Clock(0, 1), TOTALS).parts
    return {name.partition("-")[2]: value for name, value in found.items()}


def states(site, where):
    return [(STUDENT[Site(site, i)][where], TEACHER[Site(site, j)][where]) for i, j in ENDS]


def logits():
    return (features[WORDS].hidden[VALID] for features in (STUDENT, TEACHER))


def test_as_run():
    found = parts_of(METHODS["BART CKA"])
    ours, theirs = logits()
    reverse = F.kl_div(theirs.log_softmax(-1), ours.softmax(-1), reduction="batchmean")
    torch.testing.assert_close(found["words"], reverse)
    torch.testing.assert_close(found["hard"], STUDENT[HARD].mean())
    for site, where in (("encoder", ATTENDED), ("hidden", moved_right(VALID))):
        naive = sum(1 - linear_cka(x, y).sqrt() for x, y in states(site, where))
        torch.testing.assert_close(found[site], naive, rtol=1e-7, atol=0)


def test_the_square_of_the_numerator():
    found = parts_of(rewrite(METHODS["BART CKA"], fixed("cka-root")))
    naive = sum(1 - linear_cka(x, y) for x, y in states("encoder", ATTENDED))
    torch.testing.assert_close(found["encoder"], naive, rtol=1e-7, atol=0)


def test_the_divergence_the_other_way():
    found = parts_of(rewrite(METHODS["BART none"], fixed("divergence-direction")))["words"]
    ours, theirs = logits()
    torch.testing.assert_close(
        found, F.kl_div(ours.log_softmax(-1), theirs.softmax(-1), reduction="batchmean")
    )


def test_the_temperature_of_the_projections_row():
    ours, theirs = logits()
    for quirks, heat in (({}, 2.0), (fixed("linear-temperature"), 1.0)):
        found = parts_of(rewrite(METHODS["BART linear cnn"], quirks))["words"]
        naive = F.kl_div((ours / heat).log_softmax(-1), (theirs / heat).softmax(-1), reduction="batchmean")
        torch.testing.assert_close(found, heat**2 * naive)


@pytest.mark.parametrize(("quirks", "where"), [({}, moved_right(VALID)), (fixed("decoder-mask"), VALID)])
def test_positions_of_decoder_states(quirks, where):
    found = parts_of(rewrite(METHODS["BART CKA forward"], quirks))["hidden"]
    naive = sum(1 - linear_cka(x, y).sqrt() for x, y in states("hidden", where))
    torch.testing.assert_close(found, naive, rtol=1e-7, atol=0)
    method = rewrite(METHODS["BART linear"], quirks)
    torch.manual_seed(0)
    bound = BoundObjective(method.steps[0].objective, Shape(2, 4, 2, 7, 2), [Shape(4, 6, 2, 7, 4)]).double()
    parts = bound.compare(Seen(STUDENT, (TEACHER,)), None, Clock(0, 1), TOTALS).parts
    (lens,) = bound.lenses.values()
    naive = sum(F.mse_loss(lens(x), y) for x, y in states("hidden", where))
    torch.testing.assert_close(parts["3-hidden"], naive)


def test_a_row_without_hidden_states_never_had_them():
    as_run, mended = (rewrite(METHODS["mBART none"], q).steps for q in ({}, fixed("none-from-linear")))
    assert as_run[0] == METHODS["mBART linear"].steps[0]
    assert [term.site for term in mended[0].objective.terms] == ["hard", "words"]
    assert mended[1] == as_run[1]


def test_starts():
    assert rewrite(METHODS["BART CKA"], fixed("copied-layers")).cut.sources(3, 12) == [3, 7, 11]
    assert rewrite(METHODS["BERT CKA 8"], fixed("bert-8-copies")).cut.sources(8, 12)[-2:] == [9, 10]
    everything = rewrite(METHODS["mBART CKA"], fixed("random-tensors", "decoder-norm")).cut
    assert (everything.random, everything.taken) == ((), ())
    assert rewrite(METHODS["T5 CKA"], fixed("t5-copies")).cut.taken == ()
