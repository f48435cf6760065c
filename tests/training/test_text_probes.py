"""Probes of transformers models: every number again by its definition, row by row, without masks."""

import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from retort.data.text_batches import class_batch, masked_batch, seq2seq_batch  # noqa: E402
from retort.models.features import CLASS, WORDS, Shape, Site  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.training.probes import (  # noqa: E402
    CLASS_VIEW,
    GLM_VIEW,
    TEXT_VIEW,
    Probe,
    linear_cka,
    procrustes,
    shapes_compare,
)

WORDS_OF = {"bert": Vocabulary(30, pad=1)}
SOURCES, TARGETS = [[5, 6, 7, 8, 2], [9, 4, 2]], [[4, 6, 2], [7, 7, 8, 9, 11, 2]]


def model(kind, seed, layers=2, width=8, classes=None):
    torch.manual_seed(seed)
    decoder = 0 if kind == "bert" else layers
    size = TextArchitecture(kind, kind, layers + (kind != "bert"), decoder, width, 2, 2 * width, 16, 0.1)
    words = WORDS_OF.get(kind, Vocabulary(30, pad=1, bos=0, eos=2, start=2))
    family = build(size, words, classes)
    family.module.double().eval()
    with torch.no_grad():
        for parameter in family.module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return family


def batch_of(kind):
    if kind != "bert":
        return seq2seq_batch(SOURCES, TARGETS, 1, 2)
    chosen = [[word % 2 == 0 for word in row] for row in SOURCES]
    read = [[3 if word % 2 == 0 else word for word in row] for row in SOURCES]
    return masked_batch(read, SOURCES, chosen, 1)


def kl(student, teacher):
    p, q = teacher.softmax(-1), student.softmax(-1)
    return (p * (p.log() - q.log())).sum(-1).mean().item()


@pytest.mark.parametrize("kind", ["bert", "bart", "t5"])
def test_narrower_and_shallower_students_by_hand(kind):
    student, teacher, batch = model(kind, 0, 2, 8), model(kind, 1, 4, 12), batch_of(kind)
    found = Probe(student, teacher, batch, None, TEXT_VIEW).measure(student)
    pairs = {"hidden": {0: 0, 1: 2, 2: 4}}
    if kind != "bert":  # an encoder has a layer more: 3 of 5 are a single block, whose last layers meet
        pairs["encoder"] = {0: 0, 1: 3, 2: 4, 3: 5}
    names = {
        f"{d}:{s}:{i}" for s in pairs for i in pairs[s] for d in ("cka", "procrustes", "gram_mse", "gram_kl")
    }
    assert set(found) == names | {"lm_loss", "kl:words"}
    for stack, layers in pairs.items():
        sizes = [len(row) for row in (SOURCES if stack == "encoder" or kind == "bert" else TARGETS)]
        for mine, theirs in layers.items():
            x, y = (
                [row[:size] for row, size in zip(seen(each, batch, Site(stack, layer)), sizes, strict=True)]
                for each, layer in ((student, mine), (teacher, theirs))
            )
            a, b = torch.cat(x), torch.cat(y)
            assert found[f"cka:{stack}:{mine}"] == pytest.approx(1 - linear_cka(a, b).item())
            assert found[f"procrustes:{stack}:{mine}"] == pytest.approx(procrustes(a, b).item())
            grams = [(r @ r.T / 8**0.5, s @ s.T / 12**0.5) for r, s in zip(x, y, strict=True)]
            squares = torch.cat([(r - s).square().flatten() for r, s in grams]).mean().item()
            assert found[f"gram_mse:{stack}:{mine}"] == pytest.approx(squares)
            changes = sum(kl(r, s) * len(r) for r, s in grams) / sum(sizes)
            assert found[f"gram_kl:{stack}:{mine}"] == pytest.approx(changes)


def seen(family, batch, site):
    with torch.no_grad():
        return family.observe(batch, frozenset({site}))[site]


@pytest.mark.parametrize("kind", ["bert", "bart", "t5"])
def test_words_and_equal_widths_by_hand(kind):
    student, teacher, batch = model(kind, 0), model(kind, 1), batch_of(kind)
    found = Probe(student, teacher, batch, None, TEXT_VIEW).measure(student)
    a, b = (seen(each, batch, WORDS).dense() for each in (student, teacher))
    assert found["kl:words"] == pytest.approx(kl(a[batch.valid], b[batch.valid]))
    gold = a.log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    assert found["lm_loss"] == pytest.approx(-gold[batch.predicted].mean().item())
    x, y = (seen(each, batch, Site("hidden", 1))[batch.valid] for each in (student, teacher))
    cosines = [1 - (r @ s / (r.norm() * s.norm())).item() for r, s in zip(x, y, strict=True)]
    assert found["cosine:hidden:1"] == pytest.approx(sum(cosines) / len(cosines))
    assert found["mse:hidden:1"] == pytest.approx((x - y).square().mean().item())
    assert found["kl:hidden:1"] == pytest.approx(kl(x, y))


def test_a_deeper_student_meets_the_last_layers_of_blocks_again():
    student, teacher, batch = model("bert", 0, 4), model("bert", 1, 3), batch_of("bert")
    assert shapes_compare(student.shape, teacher.shape, TEXT_VIEW)
    assert not shapes_compare(student.shape, teacher.shape, GLM_VIEW)
    found = Probe(student, teacher, batch, None, TEXT_VIEW).measure(student)
    x, y = (seen(each, batch, Site("hidden", n))[batch.valid] for each, n in ((student, 4), (teacher, 3)))
    assert found["mse:hidden:4"] == pytest.approx((x - y).square().mean().item())


def test_stacks_that_models_lack_are_left_out():
    places = TEXT_VIEW.places(Shape(2, 8, 2, 30), Shape(4, 8, 2, 30))
    assert places == [(Site("hidden", a), Site("hidden", b)) for a, b in ((0, 0), (1, 2), (2, 4))]


@pytest.mark.parametrize("classes", [1, 3])
def test_validation_examples_of_a_task(classes):
    labels = [0.5, 2.0] if classes == 1 else [2, 0]
    batch = class_batch(SOURCES, [[0] * 5, [0] * 3], labels, 1)
    student, teacher = (model("bert", seed, classes=classes) for seed in (0, 1))
    found = Probe(student, teacher, batch, None, CLASS_VIEW).measure(student)
    a, b = (seen(each, batch, CLASS).double() for each in (student, teacher))
    if classes == 1:
        assert found["mse:class"] == pytest.approx((a - b).square().mean().item())
        assert found["class_loss"] == pytest.approx((a[:, 0] - torch.tensor(labels)).square().mean().item())
    else:
        assert found["kl:class"] == pytest.approx(kl(a, b))
        gold = a.log_softmax(-1)[torch.arange(2), torch.tensor(labels)]
        assert found["class_loss"] == pytest.approx(-gold.mean().item())
    assert {"cka:hidden:2", "cosine:hidden:0"} <= set(found) and not any("words" in name for name in found)


def test_probing_leaves_mode_attention_and_random_numbers():
    student, teacher, batch = model("bart", 0), model("bart", 1), batch_of("bart")
    student.module.train()
    attention, state = student.module.config._attn_implementation, torch.get_rng_state()
    probe = Probe(student, teacher, batch, None, TEXT_VIEW)
    assert probe.measure(student) == probe.measure(student)
    assert student.module.training and not teacher.module.training
    assert student.module.config._attn_implementation == attention == "sdpa"
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_is_at_distance_zero_from_itself():
    student = model("t5", 0)
    for name, value in Probe(student, student, batch_of("t5"), None, TEXT_VIEW).measure(student).items():
        assert name == "lm_loss" or value == pytest.approx(0, abs=1e-9), name


@pytest.mark.parametrize(("d", "e"), [(4, 4), (3, 6)])
def test_procrustes_is_what_the_best_rotation_leaves(d, e):
    """|X R - Y|^2 at its least is |X|^2 + |Y|^2 - 2 |X'Y|_*, for features of unit size."""
    g = torch.Generator().manual_seed(d)
    x, y = (torch.randn(20, n, generator=g, dtype=torch.float64) for n in (d, e))
    value = procrustes(x, y)
    wide = max(d, e)
    x, y = (torch.nn.functional.pad(z - z.mean(0), (0, wide - z.shape[1])) for z in (x, y))
    x, y = x / x.norm(), y / y.norm()
    left, _, right = torch.linalg.svd(x.T @ y)
    best = (x @ (left @ right) - y).square().sum()
    torch.testing.assert_close(value, best / 2)
    for _ in range(20):
        rotation = torch.linalg.qr(torch.randn(wide, wide, generator=g, dtype=torch.float64)).Q
        assert (x @ rotation - y).square().sum() > best
    moved = 3 * y @ torch.linalg.qr(torch.randn(wide, wide, generator=g, dtype=torch.float64)).Q + 1
    torch.testing.assert_close(procrustes(x, moved), value)
    assert procrustes(torch.ones(5, 3), torch.randn(5, 2)) == 1
