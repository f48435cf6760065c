"""Terms of chosen words: against a dense reference, chunk by chunk, however a batch is split."""

from __future__ import annotations

import pytest
import torch
from causal_language import CausalFamily, prompts_and_answers, teacher_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from retort.distill import words
from retort.distill.binding import BoundObjective
from retort.distill.decoupled import Decoupled, uncertainty
from retort.distill.distances import KL, MSE
from retort.distill.edits import StandIns
from retort.distill.layermaps import Last
from retort.distill.objective import Objective, Term, hard, in_edited_pass
from retort.distill.objective import words as word_objective
from retort.distill.positions import Positions, TokenGroup
from retort.distill.schedules import Clock
from retort.distill.words import chunk_rows, word_distance, word_statistic
from retort.models.features import WORDS, Shape, WordLogits
from retort.recipes.atkd import adaptive

NOW = Clock(0, 1)
SCOPES = ("batch", "micro_batch", "sequence")


def bind(objective, student, teacher):
    return BoundObjective(objective, student.shape, [teacher.shape])


def outcome(objective, batches, student=None, teacher=None):
    """Loss of a global batch and its gradient by all parameters of the student."""
    student, teacher = student or CausalFamily(8, 0, bias=True), teacher or teacher_of()
    losses = [
        each.total for each in bind(objective, student, teacher).losses(batches, student, [teacher], NOW)
    ]
    parameters = list(student.module.parameters())
    return torch.stack(losses).sum().detach(), torch.autograd.grad(sum(losses), parameters, allow_unused=True)


def same(found, expected, tolerance=1e-10):
    torch.testing.assert_close(found[0], expected[0], rtol=tolerance, atol=tolerance)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


# A reference that holds all logits at once


def dense(mask, weight, easy_weight, batch, reverse=False):
    """ATKD of one micro-batch, or of each row, as the paper says it, in probabilities."""
    student, teacher = CausalFamily(8, 0, bias=True), teacher_of()
    sites = frozenset({WORDS})
    ours, theirs = (family.observe(batch, sites)[WORDS].dense() for family in (student, teacher))
    q, p = ours.softmax(-1), theirs.softmax(-1)
    at = torch.nn.functional.one_hot(batch.targets, q.shape[-1]).bool()
    first, second = (q, p) if reverse else (p, q)
    own = [x[at].view(batch.targets.shape) for x in (first, second)]
    target = own[0] * (own[0] / own[1]).log() + (1 - own[0]) * ((1 - own[0]) / (1 - own[1])).log()
    rest = [(x / (1 - o)[..., None]).masked_fill(at, 1.0) for x, o in zip((first, second), own, strict=True)]
    others = (rest[0] * (rest[0] / rest[1]).log()).sum(-1)
    unsure = (p * ~at).sum(-1)
    rows = [slice(r, r + 1) for r in range(len(q))] if mask.scope == "sequence" else [slice(0, len(q))]
    loss = 0.0
    for part in rows:
        where = batch.predicted[part]
        hard_words = weight(unsure[part][where])
        both = (target + others)[part][where][hard_words]
        easy = others[part][where][~hard_words]
        loss = loss + easy_weight * easy.sum() / max(1, len(easy)) / len(rows)
        loss = loss + (1 - easy_weight) * both.sum() / max(1, len(both)) / len(rows)
    return loss, torch.autograd.grad(loss, list(student.module.parameters()))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    scope=st.sampled_from(SCOPES),
    percent=st.sampled_from([0, 30, 50, 100]),
    easy_weight=st.sampled_from([0.2, 0.5]),
    reverse=st.booleans(),
    rows_per_chunk=st.integers(1, 40),
)
def test_two_passes_by_chunks_equal_the_dense_reference(
    seed, scope, percent, easy_weight, reverse, rows_per_chunk
):
    """Value, and gradients through states, output embedding and bias."""
    batch = prompts_and_answers(seed=seed)
    mask = TokenGroup(share=percent / 100, scope=scope)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "WORKSPACE_BYTES", 8 * 23 * 8 * rows_per_chunk)
        assert chunk_rows(23, 8) == rows_per_chunk
        found = outcome(adaptive(mask, easy_weight, reverse), [batch])
    same(found, dense(mask, mask.members, easy_weight, batch, reverse))


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.elements = max(self.elements, made.numel())
        return made


@pytest.mark.parametrize("scope", SCOPES)
def test_rows_times_vocabulary_never_exist(monkeypatch, scope):
    """In neither pass, whatever the scope: weights are folded in, no logit is made again for them."""
    vocabulary, rows, chunk = 400, 64, 8
    monkeypatch.setattr(words, "WORKSPACE_BYTES", 8 * vocabulary * 4 * chunk)
    g = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(*shape, generator=g)
        for shape in ((4, 16, 6), (vocabulary, 6), (4, 16, 8), (vocabulary, 8))
    ]
    student = WordLogits(tensors[0].requires_grad_(), tensors[1].requires_grad_())
    teacher = WordLogits(tensors[2], tensors[3])
    targets, where = torch.randint(vocabulary, (4, 16), generator=g), torch.ones(4, 16, dtype=torch.bool)
    made = []
    linear = words._linear
    monkeypatch.setattr(words, "_linear", lambda *a: made.append(len(a[0])) or linear(*a))
    mask = TokenGroup(scope=scope)
    with Largest() as largest:
        values = word_statistic(teacher, where, targets, uncertainty)
        for group in (mask, TokenGroup(scope=scope, group="easy")):
            picked = group.pick(where, values, 4, values, 0)
            loss = word_distance(student, teacher, picked.where, Decoupled(), targets, picked.weights)
            loss.sum().backward()
    assert largest.elements == chunk * vocabulary < rows * vocabulary
    assert sum(made) == 3 * rows  # the teacher twice, the student once


def test_words_and_weights_reach_their_chunks(monkeypatch):
    """Weights that are folded in are the same as those that come from above."""
    student, teacher = CausalFamily(8, 0, bias=True), teacher_of()
    batch = prompts_and_answers()
    ours, theirs = (f.observe(batch, frozenset({WORDS}))[WORDS] for f in (student, teacher))
    weights = torch.rand(int(batch.predicted.sum()), dtype=torch.float64)
    monkeypatch.setattr(words, "WORKSPACE_BYTES", 8 * 23 * 8 * 3)
    pair = ours, theirs, batch.predicted, Decoupled(0.7, 2.0), batch.targets
    leaves = list(student.module.parameters())
    folded, later = word_distance(*pair, weights), word_distance(*pair) * weights
    torch.testing.assert_close(folded, later)
    for one, other in zip(
        torch.autograd.grad(folded.sum(), leaves, retain_graph=True),
        torch.autograd.grad(later.sum(), leaves, retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    by = torch.linspace(0.5, 2, len(weights), dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((folded * by).sum(), leaves, retain_graph=True),
        torch.autograd.grad((later * by).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


# Splits


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    size=st.integers(1, 5),
    share=st.sampled_from([0.1, 0.5, 0.9]),
    mean=st.sampled_from(["group", "words"]),
    median=st.booleans(),
)
def test_no_split_changes_what_is_chosen_among_the_whole_batch(seed, size, share, mean, median):
    batch = prompts_and_answers(seed=seed)
    mask = TokenGroup(share=0.5 if median else share, mean=mean, split="median" if median else "top")
    for objective in (adaptive(mask), adaptive(mask, reverse=True), word_objective(KL(), mask) + hard()):
        same(outcome(objective, batch.split(size)), outcome(objective, [batch]))


@pytest.mark.parametrize(
    "mask", [Positions(), Positions(first=True), Positions(last=False), Positions("ignored")]
)
@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_of_plain_means(mask, scope):
    """The whole batch and each row do not feel a split, a micro-batch does."""
    mask = type(mask)(mask.of, mask.first, mask.last, scope)
    objective, batch = word_objective(KL(), mask), prompts_and_answers()
    whole = outcome(objective, [batch])
    for size in (1, 4):
        split = outcome(objective, batch.split(size))
        if scope == "micro_batch":
            with pytest.raises(AssertionError):
                same(split, whole)
        else:
            same(split, whole)
    assert objective.together == (scope == "micro_batch") and objective.gathers == (scope == "batch")


def test_a_micro_batch_of_one_row_is_a_sequence():
    batch = prompts_and_answers()
    rows, micro = (adaptive(TokenGroup(scope=scope)) for scope in ("sequence", "micro_batch"))
    same(outcome(micro, batch.split(1)), outcome(rows, [batch]))


def test_a_mean_by_value_is_that_of_the_mask_by_name():
    batch = prompts_and_answers()
    named = word_objective(KL(), "predicted", norm="valid")
    for parts in ([batch], batch.split(4)):
        same(outcome(word_objective(KL(), Positions()), parts), outcome(named, parts))


def test_no_model_runs_twice():
    """The teacher's first pass serves both; the student has nothing to gather."""
    student, teacher, batch = CausalFamily(8, 0), teacher_of(), prompts_and_answers()
    outcome(adaptive(), batch.split(2), student, teacher)
    assert (student.passes, teacher.passes) == (3, 3)


def test_gathering_draws_nothing():
    """Dropout is that of an objective that gathers nothing."""
    student, teacher, batch = CausalFamily(8, 0, dropout=0.5), teacher_of(), prompts_and_answers()
    found = []
    for objective in (adaptive() + hard(), word_objective(KL(), "predicted", norm="valid") + hard()):
        torch.manual_seed(9)
        losses = bind(objective, student, teacher).losses(batch.split(2), student, [teacher], NOW)
        found.append([list(each.parts.values())[-1].item() for each in losses])
    assert found[0] == found[1] and len(set(found[0])) == 3


# What cannot be asked


def test_a_part_of_a_batch_does_not_know_the_whole():
    student, teacher = CausalFamily(8, 0), teacher_of()
    part = prompts_and_answers().split(4)[0]
    with pytest.raises(ValueError, match=r"among those of all micro-batches: ask for their losses\(\)"):
        bind(adaptive(), student, teacher).loss(part, student, [teacher], NOW)


def test_nothing_is_gathered_from_a_part_of_a_batch():
    """What one of several processes has of it would be taken for the whole."""
    student, teacher = CausalFamily(8, 0), teacher_of()
    with pytest.raises(ValueError, match="from a whole batch of 6 rows, and these are 4"):
        list(bind(adaptive(), student, teacher).losses(
            prompts_and_answers().split(2)[:2], student, [teacher], NOW))  # fmt: skip


SHAPE = Shape(2, 8, 2, 23)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Objective((Term("class", Decoupled()),)), "class: only word terms know which word"),
        (Objective((Term("hidden", MSE(), Last(), mask=TokenGroup()),)), "hidden: only word terms"),
        (in_edited_pass(adaptive()), "words of the whole batch cannot be chosen in an edited pass"),
    ],
)
def test_other_sites_know_no_words(objective, message):
    with pytest.raises(ValueError, match=message):
        BoundObjective(objective, SHAPE, [SHAPE])


def test_a_compressed_vocabulary_numbers_words_otherwise():
    with pytest.raises(ValueError, match="numbers words otherwise than the text does"):
        BoundObjective(adaptive(), SHAPE, [SHAPE], torch.arange(5))
    BoundObjective(word_objective(KL(), Positions()), SHAPE, [SHAPE], torch.arange(5))


def test_a_word_that_is_masked_has_no_constant():
    student, teacher, batch = CausalFamily(8, 0), teacher_of(), prompts_and_answers()
    with pytest.raises(AssertionError, match="no constant where the word matters"):
        outcome(word_objective(Decoupled(), "predicted"), [batch], student, teacher)


def test_edits_of_the_only_pass_reach_the_teachers_first_one(monkeypatch):
    """What a teacher reads is changed before its words are ranked."""
    from dataclasses import replace

    from retort.models.features import UNCHANGED, Patch

    told = []
    teacher, student, batch = teacher_of(), CausalFamily(8, 0), prompts_and_answers()
    observe = teacher.observe

    def spied(batch, want, patch=UNCHANGED):
        told.append(patch)
        return observe(batch, want)

    teacher.observe = spied
    changed = Patch(words=torch.arange(23))
    monkeypatch.setattr(StandIns, "patches", lambda *args: (UNCHANGED, changed))
    outcome(replace(adaptive(), edit=StandIns()), batch.split(3), student, teacher)
    assert told == [changed, changed]
