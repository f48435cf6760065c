"""Losses are compared on the same tensors, and only where they are the same loss."""

from __future__ import annotations

import csv

import pytest
import torch

from retort import peers, peers_table
from retort.errors import RetortError
from retort.peers import DIVERGENCES, OURS, PEERS, Setting, agree, compare, gradients, loss_of, peak

TINY = Setting(24, 50, 8, 12)


def naive(beta):
    """Dense logits and the definition."""

    def loss(words):
        mine, theirs = (each.dense().log_softmax(-1) for each in words)
        one, other = (theirs, mine) if beta == 0 else (mine, theirs)
        return (one.exp() * (one - other)).sum(-1).mean()

    return loss


@pytest.fixture
def only_naive(monkeypatch):
    monkeypatch.setattr(peers, "PEERS", {"naive": ("torch", naive), "absent": ("no-such-package", naive)})
    monkeypatch.setattr(peers, "peak", lambda peer, *_: {OURS: 8.0}.get(peer, 20.0))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_our_losses_are_what_they_are_called(divergence):
    words = TINY.words()
    agree(loss_of(OURS, divergence), naive(DIVERGENCES[divergence][1]), words, divergence)
    value, states, table = gradients(loss_of(OURS, divergence), words)
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
    assert found["naive", "peak memory over ours"].value == 20 / 8
    assert found["naive", "time over ours"].value > 0 and found[OURS, "time"].unit == "ms"
    assert found["naive", "time"].version == torch.__version__ and found[OURS, "time"].version == ""
    skipped = found["absent", "skipped"]
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


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_peers_compute_the_same(peer, divergence):
    if peers.version_of(peer) is None:
        pytest.skip(f"{PEERS[peer][0]} is not installed (make bench-peers)")
    if "compiled" in peer:
        pytest.skip("compiling takes a minute; the comparison itself checks it")
    agree(loss_of(OURS, divergence), loss_of(peer, divergence), TINY.words(), peer)


def test_what_was_measured_is_all_there(root):
    rows = list(csv.DictReader((root / "benchmarks" / "words_losses.csv").open(newline="")))
    assert {row["loss"] for row in rows} == set(DIVERGENCES)
    assert {row["peer"] for row in rows} == {OURS, *PEERS}
    assert all(row["value"] or row["note"] for row in rows)
