"""Validation losses against dense logits, one word at a time."""

import os
from dataclasses import replace

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from retort.data.text_batches import masked_batch, seq2seq_batch  # noqa: E402
from retort.distill import words  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.evaluation.validation_losses import validation_losses  # noqa: E402
from retort.models.features import WORDS  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402

ROWS = [[5, 6, 7, 8, 2], [9, 4, 2], [10, 2]]


def model(kind, seed, width=8):
    torch.manual_seed(seed)
    size = TextArchitecture(kind, kind, 1, 0 if kind == "bert" else 1, width, 2, 16, 16, dropout=0.5)
    family = build(size, Vocabulary(30, pad=1, bos=0, eos=2, start=2))
    with torch.no_grad():
        for parameter in family.module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    family.module.double()
    return family


def batches_of(kind):
    """Two of unequal lengths: a mean of means would be another number."""
    if kind != "bert":
        return [seq2seq_batch(ROWS, ROWS[::-1], 1, 2), seq2seq_batch(ROWS[1:2], ROWS[2:], 1, 2)]
    chosen = [[word > 5 for word in row] for row in ROWS]
    return [masked_batch(ROWS, ROWS, chosen, 1), masked_batch(ROWS[:1], ROWS[:1], chosen[:1], 1)]


def by_hand(student, teacher, batches):
    """Word for word."""
    losses, divergences = [], []
    for batch in batches:
        with torch.no_grad():
            ours, theirs = (f.observe(batch, frozenset({WORDS}))[WORDS].dense() for f in (student, teacher))
        for b, s in batch.predicted.nonzero().tolist():
            p, q = theirs[b, s].softmax(0), ours[b, s].softmax(0)
            losses.append(-q[batch.targets[b, s]].log().item())
            divergences.append((p * (p.log() - q.log())).sum().item())
    return {"clm": sum(losses) / len(losses), "kl": sum(divergences) / len(divergences)}


@pytest.mark.parametrize("chunk", [1, 4, 10**9])
@pytest.mark.parametrize("kind", ["bert", "bart", "t5"])
def test_means_over_words_whatever_the_chunks(kind, chunk, monkeypatch):
    student, teacher, batches = model(kind, 0), model(kind, 1, 12), batches_of(kind)
    student.module.eval(), teacher.module.eval()
    expected = by_hand(student, teacher, batches)
    monkeypatch.setattr(words, "chunk_rows", lambda vocabulary, element_size: chunk)
    found = validation_losses(student, teacher, batches)
    assert found == pytest.approx(expected)
    assert validation_losses(student, None, batches) == {"clm": found["clm"]}
    assert validation_losses(student, student, batches)["kl"] == pytest.approx(0, abs=1e-12)


def test_modes_are_left_as_found():
    student, teacher, batches = model("bart", 0), model("bart", 1), batches_of("bart")
    student.module.train(), teacher.module.eval()
    state = torch.get_rng_state()
    found = validation_losses(student, teacher, batches)
    assert student.module.training and not teacher.module.training
    assert torch.equal(torch.get_rng_state(), state)
    assert found == validation_losses(student, teacher, batches)
    assert all(p.grad is None for p in student.module.parameters())

    def broken():
        yield batches[0]
        raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        validation_losses(student, teacher, broken())
    assert student.module.training and not teacher.module.training


def test_half_precision_is_summed_wide():
    student, (batch, _) = model("bart", 0), batches_of("bart")
    exact = validation_losses(student, None, [batch])["clm"]
    student.module.bfloat16()
    logits = student.observe(batch, frozenset({WORDS}))[WORDS]
    assert words.gold_losses(logits, batch.targets, batch.predicted).dtype == torch.float32
    assert validation_losses(student, None, [batch])["clm"] == pytest.approx(exact, rel=0.05)


def test_nothing_to_predict():
    batch = batches_of("bart")[0]
    empty = replace(batch, predicted=torch.zeros_like(batch.predicted))
    with pytest.raises(InputError, match="no word is predicted in any batch; give examples with targets"):
        validation_losses(model("bart", 0), None, [empty])
