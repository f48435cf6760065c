"""Losses are compared on the same tensors, and only where they are the same loss."""

from __future__ import annotations

import csv
import functools

import pytest
import torch

from retort.benchmarks import peers, peers_table
from retort.benchmarks.peers import LOSSES, OURS, Peer, Setting, agree, compare, gradients, loss_of, peak
from retort.benchmarks.peers_atkd import stand_there
from retort.errors import RetortError

TINY = Setting(24, 50, 8, 12)


def naive(beta):
    """Dense logits and the definition."""

    def loss(words):
        mine, theirs = (each.dense().log_softmax(-1) for each in words)
        middle = (beta * theirs.exp() + (1 - beta) * mine.exp()).log() if 0 < beta < 1 else None
        parts = [(beta, theirs, middle), (1 - beta, mine, middle)] if middle is not None else []
        if middle is None:
            parts = [(1, theirs, mine) if beta == 0 else (1, mine, theirs)]
        return sum(share * (one.exp() * (one - other)).sum(-1) for share, one, other in parts).mean()

    return loss


def naive_atkd(words):
    """Position by position, by the definition."""
    mine, theirs = (each.dense()[0].double().softmax(-1) for each in words)
    found = []
    for p, q, g in zip(theirs, mine, stand_there(words)[0].tolist(), strict=True):
        target = p[g] * (p[g] / q[g]).log() + (1 - p[g]) * ((1 - p[g]) / (1 - q[g])).log()
        p_rest, q_rest = (torch.cat([x[:g], x[g + 1 :]]) / (1 - x[g]) for x in (p, q))
        found.append((float(1 - p[g]), target, (p_rest * (p_rest / q_rest).log()).sum()))
    found.sort(key=lambda entry: -entry[0])
    half = -(-len(found) // 2)
    hard = sum(target + rest for _, target, rest in found[:half]) / half
    return (0.8 * hard + 0.2 * sum(rest for *_, rest in found[half:]) / (len(found) - half)).float()


NAIVE = {"forward KL": naive(0), "reverse KL": naive(1), "JSD": naive(0.5), "ATKD": naive_atkd}


@pytest.fixture
def only_naive(monkeypatch):
    for name, (mine, _) in LOSSES.items():
        make = functools.partial(NAIVE.__getitem__, name)
        others = {where: Peer(where, make) for where in ("torch", "no-such-package")}
        monkeypatch.setitem(LOSSES, name, (mine, others))
    monkeypatch.setattr(peers, "peak", lambda peer, *_: {OURS: 8.0}.get(peer, 20.0))


@pytest.mark.parametrize("name", LOSSES)
def test_our_losses_are_what_they_are_called(name):
    words = TINY.words()
    agree(loss_of(OURS, name), NAIVE[name], words, name)
    value, states, table = gradients(loss_of(OURS, name), words)
    assert value > 0 and states.shape == (1, 24, 8) and table.shape == (50, 8) and table.any()


def test_other_losses_are_not_compared():
    with pytest.raises(RetortError, match="TRL: value differs from ours by .*; these are different losses"):
        agree(loss_of(OURS, "forward KL"), naive(1.0), TINY.words(), "TRL")
    same = loss_of(OURS, "forward KL")

    def still(words):
        """The same value, but no gradient."""
        return same(words).detach() + 0 * (words[0].hidden.sum() + words[0].weight.sum())

    with pytest.raises(RetortError, match="gradient of states differs"):
        agree(same, still, TINY.words(), "TRL")


def test_figures_are_ratios_of_the_peers_to_ours(only_naive):
    found = {(figure.peer, figure.measure): figure for figure in compare("forward KL", TINY, 3)}
    assert found["torch", "peak memory over ours"].value == 20 / 8
    assert found["torch", "time over ours"].value > 0 and found[OURS, "time"].unit == "ms"
    assert found["torch", "time"].version == torch.__version__ and found[OURS, "time"].version == ""
    skipped = found["no-such-package", "skipped"]
    assert skipped.value is None and skipped.note == "no-such-package is not installed"


def test_figures_are_kept_with_where_they_came_from(only_naive, tmp_path):
    found = compare("reverse KL", TINY, 2)
    for _ in range(2):
        peers_table.save(tmp_path / "losses.csv", found, 2)
    rows = list(csv.DictReader((tmp_path / "losses.csv").open(newline="")))
    assert len(rows) == 2 * len(found) and tuple(rows[0]) == peers_table.COLUMNS
    skipped = next(row for row in rows if row["measure"] == "skipped")
    assert skipped["value"] == "" and skipped["note"] and all(row["machine"] and row["date"] for row in rows)
    assert {(row["positions"], row["teacher_width"]) for row in rows} == {("24", "12")}
    assert "peak memory over ours 2.5" in " ".join(map(peers_table.line, found))


def test_peak_memory_is_that_of_value_and_gradient():
    """Ours holds a gradient of the table, which is larger than all else, and not many times its size."""
    table = 4 * 20000 * 256 / 2**20
    assert table < peak(OURS, "forward KL", Setting(8, 20000, 256, 16)) < 4 * table


@pytest.mark.parametrize(("name", "peer"), [(name, peer) for name in LOSSES for peer in LOSSES[name][1]])
def test_peers_compute_the_same(name, peer):
    other = LOSSES[name][1][peer]
    if other.version is None:
        pytest.skip(f"{other.distribution} is not installed (make bench-peers)")
    if "compiled" in peer:
        pytest.skip("compiling takes a minute; the comparison itself checks it")
    agree(loss_of(OURS, name), loss_of(peer, name), TINY.words(), peer)


def test_what_was_measured_is_all_there(root):
    rows = list(csv.DictReader((root / "benchmarks" / "words_losses.csv").open(newline="")))
    expected = {(name, peer) for name, (_, others) in LOSSES.items() for peer in (OURS, *others)}
    assert {(row["loss"], row["peer"]) for row in rows} == expected
    assert all(row["value"] or row["note"] for row in rows)
