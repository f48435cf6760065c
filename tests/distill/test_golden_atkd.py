"""Losses of the ATKD paper against numbers of its authors' functions, and of a derivation apart from them.

Logits are synthetic. Where the authors' code errs (infinite, not a number, an exception), the number is that
of the derivation; where it does something else than the paper, both are compared, each with its own value.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from retort.distill.binding import BoundObjective, Seen
from retort.distill.decoupled import Decoupled, uncertainty
from retort.distill.distances import KL, ReverseKL
from retort.distill.divergences import (
    GeneralisedJSD,
    SkewKL,
    SkewReverseKL,
    TotalVariation,
)
from retort.distill.objective import Objective, words
from retort.distill.positions import Positions, TokenGroup
from retort.distill.schedules import Clock
from retort.models.features import WORDS, Features, Shape, Totals, WordLogits
from retort.quirks import rewrite
from retort.recipes import atkd

NOW = Clock(0, 1)
DOUBLE = {"rtol": 1e-10, "atol": 1e-13}
SINGLE = {"rtol": 2e-5, "atol": 1e-6}
STORED_SINGLE = {"rtol": 1e-6, "atol": 1e-8}
"""Gradients of the larger cases are stored in float32."""
BEFORE_ROUNDING = {"rtol": 1e-7, "atol": 0.0}
"""Losses at the edges were computed before their logits were rounded to the float32 that is stored."""

BY_NAME = {method.name: method for method in atkd.METHODS}
RELEASED = {"median-split": "as_released"}


def of(name, **quirks):
    """The objective of a method's last step."""
    return rewrite(BY_NAME[name], quirks).steps[-1].objective


def released(method):
    """Its split by the lower median."""
    return rewrite(method, RELEASED).steps[-1].objective


def tokens(by):
    return words(by, mask="predicted", norm="valid")


LOSSES = {
    "forward": of("Supervised KD"),
    "reverse": of("Reverse KD"),
    "jsd": rewrite(BY_NAME["GKD"], {"jsd-name": "as_released"}).steps[-1].objective,
    "tvd_fixed": of("f-distill"),
    "tvd_released": rewrite(BY_NAME["f-distill"], {"tvd-mask": "as_released"}).steps[-1].objective,
    "dkd_a02_b1": of("Decoupled KD"),
    "dkd_a1_b1": tokens(Decoupled(1.0, 1.0)),
    "dkd_a1_b8": tokens(Decoupled(1.0, 8.0)),
    "atkd_vanilla": released(BY_NAME["Supervised KD + ATKD"]),
    "atkd_vanilla_a05": atkd.adaptive(TokenGroup(split="median"), 0.5),
    "atkd_reverse_tempfixed": released(BY_NAME["Reverse KD + ATKD"]),
    "atkd_reverse_released": released(BY_NAME["Reverse KD + ATKD"]),
}
SWAPPED = {"atkd_reverse_released"}
"""Computed with each model's logits over the other's temperature."""

ALTERNATIVES = {
    "gjsd_b10": tokens(GeneralisedJSD(0.1)),
    "gjsd_b50": tokens(GeneralisedJSD(0.5)),
    "gjsd_b90": tokens(GeneralisedJSD(0.9)),
    "skew_fkl_a10": tokens(SkewKL(0.1)),
    "skew_rkl_a10": tokens(SkewReverseKL(0.1)),
} | {
    f"atkd_k{k}_lam{weight}_{name}": atkd.adaptive(TokenGroup(share=k / 100, mean=mean), weight / 100)
    for k in (30, 50, 70)
    for weight in (20, 50)
    for name, mean in (("groupmean", "group"), ("tokenmean", "words"))
}
AT_POSITIONS = {
    "tkd": Decoupled(1.0, 0.0),
    "dkd": Decoupled(0.0, 1.0),
    "rtkd": Decoupled(1.0, 0.0, reverse=True),
    "rdkd": Decoupled(0.0, 1.0, reverse=True),
    "fkl": KL(),
    "rkl": ReverseKL(),
    "tvd": TotalVariation(),
}
DIRECTIONS = {"vanilla": False, "reverse_tempfixed": False, "reverse_released": True}
"""ATKD's settings, and whether temperatures are swapped."""

TESTED = (
    r"c\d/(student_logits|teacher_logits|input_ids|ignore_mask|temps)",
    r"c\d/pos/(unc|unc_student|valid|" + "|".join(AT_POSITIONS) + ")",
    r"c\d/(f64|f32)/loss/(" + "|".join(LOSSES) + ")",
    r"c\d/f64/grad/(" + "|".join(LOSSES) + ")",
    r"c\d/(f64|f32)/atkd_(" + "|".join(DIRECTIONS) + r")/(thr|easy|hard|(easy|hard)_(tkd|dkd))",
    r"c\d/alt/(hard_topk\d\d|" + "|".join(ALTERNATIVES) + ")",
    r"edge/\w+/(student_logits|teacher_logits|input_ids|ignore_mask|logspace_loss)",
)
LEFT_OUT = {
    r"edge/\w+/loss": "what the authors' code makes of the edges: infinite, not a number or an exception; "
    "those that are finite are the same as logspace_loss but for the rounding of float32",
}
"""Stored numbers that are not compared, and why."""


def files():
    """The cases in the file, whatever it holds."""
    from pathlib import Path

    with np.load(Path(__file__).parents[1] / "golden" / "atkd" / "atkd_golden.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


STORED = files()
CASES = sorted({name.partition("/")[0] for name in STORED if not name.startswith("edge/")})
EDGES = sorted({name.split("/")[1] for name in STORED if name.startswith("edge/")})
EACH_CASE = pytest.mark.parametrize("case", CASES)
PRECISIONS = pytest.mark.parametrize("precision", [torch.float64, torch.float32], ids=["f64", "f32"])


def test_every_stored_number_is_compared_or_left_out_for_a_reason():
    for name in STORED:
        patterns = [p for p in (*TESTED, *LEFT_OUT) if re.fullmatch(p, name)]
        assert len(patterns) == 1, name
    for pattern in (*TESTED, *LEFT_OUT):
        assert any(re.fullmatch(pattern, name) for name in STORED), pattern
    assert len(CASES) >= 5 and len(EDGES) == 14


class Case:
    """A stored batch: positions as the authors shift them, logits over their temperatures."""

    def __init__(self, name, precision=torch.float64, swapped=False):
        take = {key: torch.from_numpy(STORED[f"{name}/{key}"]) for key in ("input_ids", "ignore_mask")}
        self.name = name
        self.student, self.teacher = (
            torch.from_numpy(STORED[f"{name}/{side}_logits"]).to(precision) for side in ("student", "teacher")
        )
        temperatures = torch.from_numpy(STORED.get(f"{name}/temps", np.ones(2))).to(precision)
        ours, theirs = temperatures.flip(0) if swapped else temperatures
        self.student.requires_grad_()
        self.ours, self.theirs = self.student / ours, self.teacher / theirs
        self.targets = F.pad(take["input_ids"][:, 1:], (0, 1))
        self.predicted = F.pad(~take["ignore_mask"][:, 1:], (0, 1))

    def loss(self, objective):
        """The total, through the whole machinery; logits as if they were states before a table of ones."""
        rows, length, vocabulary = self.ours.shape
        ones = torch.eye(vocabulary, dtype=self.ours.dtype)
        sides = [
            Features(
                {WORDS: WordLogits(logits, ones)},
                torch.ones_like(self.predicted),
                self.predicted,
                torch.arange(rows),
                targets=self.targets,
            )
            for logits in (self.ours, self.theirs)
        ]
        totals = Totals(rows, rows, rows * length, int(self.predicted.sum()))
        bound = BoundObjective(objective, Shape(1, 1, 1, vocabulary), [Shape(1, 1, 1, vocabulary)])
        return bound.compare(Seen(sides[0], (sides[1],)), None, NOW, totals).total

    def at(self, by):
        """[B, T - 1]: a distance at every position."""
        targets = self.targets[:, :-1]
        found = by.at(targets) if isinstance(by, Decoupled) else by
        return found(self.ours[:, :-1], self.theirs[:, :-1])

    def spread(self, values):
        """[B, T - 1] bool from those at the valid positions."""
        where = self.predicted[:, :-1]
        return torch.zeros_like(where).masked_scatter(where, values)

    @property
    def uncertainty(self):
        return uncertainty(self.theirs, self.targets)[self.predicted]


def close(found, name, **tolerance):
    expected = torch.from_numpy(np.asarray(STORED[name]))
    torch.testing.assert_close(found.detach(), expected.to(found.dtype), check_dtype=False, **tolerance)


@EACH_CASE
@pytest.mark.parametrize("name", AT_POSITIONS)
def test_at_every_position(case, name):
    batch = Case(case)
    close(batch.at(AT_POSITIONS[name]), f"{case}/pos/{name}", rtol=1e-10, atol=1e-14)


@EACH_CASE
def test_positions_and_uncertainty(case):
    batch = Case(case)
    close(batch.predicted[:, :-1], f"{case}/pos/valid", rtol=0, atol=0)
    for side, name in ((batch.theirs, "unc"), (batch.ours, "unc_student")):
        close(uncertainty(side, batch.targets)[:, :-1], f"{case}/pos/{name}", rtol=1e-12, atol=1e-15)


@EACH_CASE
@PRECISIONS
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients(case, precision, name):
    batch = Case(case, precision, swapped=name in SWAPPED)
    bits = "f64" if precision == torch.float64 else "f32"
    loss = batch.loss(LOSSES[name])
    expected = STORED[f"{case}/{bits}/loss/{name}"]
    if np.isnan(expected):  # nothing is ignored, of which the mean would be
        assert name == "tvd_released" and batch.predicted[:, :-1].all() and loss == 0
        return
    close(loss, f"{case}/{bits}/loss/{name}", **(DOUBLE if bits == "f64" else SINGLE))
    (gradient,) = torch.autograd.grad(loss, batch.student)
    stored = STORED[f"{case}/f64/grad/{name}"]
    exact = STORED_SINGLE if stored.dtype == np.float32 else DOUBLE
    close(gradient, f"{case}/f64/grad/{name}", **(exact if bits == "f64" else SINGLE))


@EACH_CASE
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_other_splits_and_divergences(case, name):
    close(Case(case).loss(ALTERNATIVES[name]), f"{case}/alt/{name}", **DOUBLE)


@EACH_CASE
@pytest.mark.parametrize("percent", [30, 50, 70])
def test_words_of_the_highest_uncertainty_are_hard(case, percent):
    batch = Case(case)
    hard = TokenGroup(group="hard", share=percent / 100).members(batch.uncertainty)
    assert torch.equal(batch.spread(hard), torch.from_numpy(STORED[f"{case}/alt/hard_topk{percent}"]))


@EACH_CASE
@PRECISIONS
@pytest.mark.parametrize("setting", DIRECTIONS)
def test_groups_by_the_lower_median(case, precision, setting):
    batch = Case(case, precision, DIRECTIONS[setting])
    bits = "f64" if precision == torch.float64 else "f32"
    tolerance = DOUBLE if bits == "f64" else SINGLE
    folder = f"{case}/{bits}/atkd_{setting}"
    close(batch.uncertainty.median(), f"{folder}/thr", **tolerance)
    for name in ("easy", "hard"):
        group = TokenGroup(group=name, split="median")
        members = batch.spread(group.members(batch.uncertainty))
        assert torch.equal(members, torch.from_numpy(STORED[f"{folder}/{name}"]))
        for part, by in (("tkd", (1.0, 0.0)), ("dkd", (0.0, 1.0))):
            distance = Decoupled(*by, reverse=setting != "vanilla")
            close(batch.loss(words(distance, group, norm="valid")), f"{folder}/{name}_{part}", **tolerance)


@pytest.mark.parametrize("edge", EDGES)
@PRECISIONS
def test_edges(edge, precision):
    batch = Case(f"edge/{edge}", precision)
    reverse = edge.endswith("_reverse")
    loss = batch.loss(LOSSES["atkd_reverse_tempfixed" if reverse else "atkd_vanilla"])
    (gradient,) = torch.autograd.grad(loss, batch.student)
    assert torch.isfinite(gradient).all()
    if edge == "all_ignored":
        assert loss == 0 and not gradient.any()
        return
    close(loss, f"edge/{edge}/logspace_loss", **(BEFORE_ROUNDING if precision == torch.float64 else SINGLE))
    if precision == torch.float64:
        np.testing.assert_allclose(loss.item(), by_hand(batch, reverse), rtol=1e-12)
    assert not gradient[~batch.predicted].any()


def by_hand(batch, reverse):
    """ATKD with the lower median in numpy, word by word."""
    found = []
    for ours, theirs, word in zip(
        *(x[batch.predicted].detach().numpy() for x in (batch.ours, batch.theirs, batch.targets)), strict=True
    ):
        others = np.arange(len(ours)) != word
        p, q = (x - np.logaddexp.reduce(x) for x in (theirs, ours))
        rest_p, rest_q = (np.logaddexp.reduce(x[others]) for x in (p, q))
        one, two = [(p[word], rest_p, p[others] - rest_p), (q[word], rest_q, q[others] - rest_q)][
            :: -1 if reverse else 1
        ]
        target = sum(np.exp(a) * (a - b) for a, b in zip(one[:2], two[:2], strict=True))
        found.append((np.exp(rest_p), target, (np.exp(one[2]) * (one[2] - two[2])).sum()))
    unsure, target, rest = np.array(found).T
    easy = unsure < np.sort(unsure)[(len(unsure) - 1) // 2]
    return 0.2 * (rest[easy].mean() if easy.any() else 0.0) + 0.8 * (target + rest)[~easy].mean()


def test_what_the_code_does_at_the_edges_is_the_same_where_it_is_finite():
    finite = {edge for edge in EDGES if np.isfinite(STORED[f"edge/{edge}/loss"])}
    for edge in finite:
        np.testing.assert_allclose(
            STORED[f"edge/{edge}/loss"], STORED[f"edge/{edge}/logspace_loss"], rtol=2e-5
        )
    assert finite and finite < set(EDGES)


@EACH_CASE
def test_means_by_micro_batch_and_row(case):
    """In one micro-batch the scope of the authors' medians is the whole batch; rows have their own."""
    batch = Case(case)
    whole, micro = (
        batch.loss(words(KL(), Positions(scope=scope), norm="valid")) for scope in ("batch", "micro_batch")
    )
    close(whole, f"{case}/f64/loss/forward", **DOUBLE)
    assert torch.equal(whole, micro)
    rows = batch.loss(words(KL(), Positions(scope="sequence"), norm="valid"))
    at, where = batch.at(KL()), batch.predicted[:, :-1]
    naive = sum(a[w].mean() for a, w in zip(at, where, strict=True) if w.any()) / len(at)
    torch.testing.assert_close(rows, naive)


def test_the_objectives_are_objectives():
    assert all(isinstance(value, Objective) for value in (LOSSES | ALTERNATIVES).values())
