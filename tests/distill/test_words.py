"""The chunked distance of word distributions against the dense one."""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.distill import words
from retort.distill.distances import KL, MSE, Cosine, SoftCrossEntropy
from retort.distill.words import chunk_rows, word_distance
from retort.models.features import WordLogits

DISTANCES = [KL(15.0), KL(2.0, squared=False), SoftCrossEntropy(10.0), MSE(), Cosine()]
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-12}, torch.float32: {"rtol": 2e-4, "atol": 1e-5}}


def draw(generator, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def problem(seed, dtype, vocab, bias):
    g = torch.Generator().manual_seed(seed)
    student = WordLogits(draw(g, 3, 5, 4), draw(g, vocab, 4), draw(g, vocab) if bias else None)
    teacher = WordLogits(draw(g, 3, 5, 6), draw(g, vocab, 6), draw(g, vocab) if bias else None)
    where = torch.rand(3, 5, generator=g) < 0.6
    leaves = [t.to(dtype).requires_grad_() for t in (student.hidden, student.weight)]
    biases = [b if b is None else b.to(dtype) for b in (student.bias, teacher.bias)]
    if bias:
        leaves.append(biases[0].requires_grad_())
    student = WordLogits(leaves[0], leaves[1], biases[0])
    teacher = WordLogits(teacher.hidden.to(dtype), teacher.weight.to(dtype), biases[1])
    return student, teacher, where, leaves


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    vocab=st.integers(2, 40),
    bias=st.booleans(),
    rows_per_chunk=st.integers(1, 20),
    by=st.sampled_from(DISTANCES),
    weighted=st.booleans(),
)
def test_value_and_gradient_equal_the_dense_reference(seed, dtype, vocab, bias, rows_per_chunk, by, weighted):
    student, teacher, where, leaves = problem(seed, dtype, vocab, bias)
    upstream = (
        torch.rand(int(where.sum()), dtype=dtype) if weighted else torch.ones(int(where.sum()), dtype=dtype)
    )
    naive = by(student.dense()[where], teacher.dense()[where])
    expected = torch.autograd.grad((naive * upstream).sum(), leaves)
    size = torch.finfo(dtype).bits // 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "WORKSPACE_BYTES", 8 * vocab * size * rows_per_chunk)
        assert chunk_rows(vocab, size) == rows_per_chunk
        found = word_distance(student, teacher, where, by)
        gradients = torch.autograd.grad((found * upstream).sum(), leaves)
    torch.testing.assert_close(found, naive, **TOLERANCE[dtype])
    for got, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(got, wanted, **TOLERANCE[dtype])


@dataclass
class Spy:
    """A distance that notes the shapes it is shown."""

    seen: list = field(default_factory=list)

    def __call__(self, student, teacher):
        self.seen.append((tuple(student.shape), tuple(teacher.shape)))
        return KL()(student, teacher)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the size of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.elements = max(self.elements, made.numel())
        return made


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_times_vocabulary_never_exist(monkeypatch, weighted):
    vocab, rows = 500, 64
    monkeypatch.setattr(words, "WORKSPACE_BYTES", 8 * vocab * 4 * 10)
    g = torch.Generator().manual_seed(0)
    student = WordLogits(
        draw(g, 1, rows, 8, dtype=torch.float32).requires_grad_(),
        draw(g, vocab, 8, dtype=torch.float32).requires_grad_(),
    )
    teacher = WordLogits(draw(g, 1, rows, 8, dtype=torch.float32), draw(g, vocab, 8, dtype=torch.float32))
    spy = Spy()
    upstream = torch.rand(rows) if weighted else torch.ones(rows)
    with Largest() as largest:
        (
            word_distance(student, teacher, torch.ones(1, rows, dtype=torch.bool), spy) * upstream
        ).sum().backward()
    assert largest.elements == 10 * vocab < rows * vocab
    passes = 2 if weighted else 1
    assert [s for s, _ in spy.seen] == ([(10, vocab)] * 6 + [(4, vocab)]) * passes
    assert all(s == t for s, t in spy.seen)


def test_the_teacher_gets_no_gradient():
    student, teacher, where, _ = problem(0, torch.float64, 9, False)
    hidden, weight = teacher.hidden.requires_grad_(), teacher.weight.requires_grad_()
    word_distance(student, teacher, where, KL()).sum().backward()
    assert hidden.grad is None and weight.grad is None


def test_no_position_no_loss():
    student, teacher, where, leaves = problem(0, torch.float64, 9, True)
    found = word_distance(student, teacher, torch.zeros_like(where), KL())
    assert found.shape == (0,)
    assert all(not g.any() for g in torch.autograd.grad(found.sum(), leaves))


def test_without_gradient_only_values_are_computed():
    student, teacher, where, _ = problem(0, torch.float64, 9, False)
    tracked = []

    def by(ours, theirs):
        tracked.append(ours.requires_grad)
        return KL()(ours, theirs)

    with torch.no_grad():
        found = word_distance(student, teacher, where, by)
    torch.testing.assert_close(found, KL()(student.dense()[where], teacher.dense()[where]))
    assert tracked == [False] and not found.requires_grad


def test_half_precision_states_give_float32_distances():
    student, teacher, where, leaves = problem(3, torch.bfloat16, 12, True)
    found = word_distance(student, teacher, where, KL(2.0))
    assert found.dtype == torch.float32
    found.sum().backward()
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    naive = KL(2.0)(
        WordLogits(*wide).dense()[where],
        WordLogits(teacher.hidden.double(), teacher.weight.double(), teacher.bias.double()).dense()[where],
    )
    torch.testing.assert_close(found.double(), naive, rtol=0.05, atol=0.05)
    for leaf, reference in zip(leaves, torch.autograd.grad(naive.sum(), wide), strict=True):
        assert leaf.grad.dtype == torch.bfloat16
        torch.testing.assert_close(leaf.grad.double(), reference, rtol=0.1, atol=0.1)


def test_chunks_are_cut_by_memory():
    assert chunk_rows(30592, 4) == 256 * 2**20 // (8 * 30592 * 4)
    assert chunk_rows(10**9, 8) == 1
