"""Edited passes against the authors' logits, and what an edit leaves alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_models import StoredBlocks, StoredSwap, batch_of, family, load_runs
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.binding import BoundObjective
from retort.distill.edits import ReplaceBlocks, StandIns, SwapTokens
from retort.distill.schedules import Clock, Linear
from retort.distill.vocabulary import VocabularyMap
from retort.models.features import CLASS, HARD, UNCHANGED, WORDS, Patch, Site
from retort.models.glm_family import GLMFamily
from retort.recipes import glmd

START, NOW = Clock(0, 100), Clock(3, 10)


@pytest.fixture(scope="module")
def models(golden):
    return np.load(golden / "glmd" / "golden_e2e_models.npz")


@pytest.fixture(scope="module")
def runs(golden):
    return load_runs(golden)


def student_and_teacher(models):
    return family(models, "student.w."), family(models, "teacher_t0.w.")


THESEUS = ["theseus_ft_seed1_iter0", "theseus_ft_seed2_iter0", "theseus_ft_seed4_iter66"]


@pytest.mark.parametrize("name", THESEUS)
def test_exchanged_blocks_give_the_authors_scores(models, runs, name):
    stays = tuple(number is None for number in runs[name]["tn_layers_used"])
    student, teacher = student_and_teacher(models)
    batch = batch_of(models, "ft_single")
    patch, of_teacher = StoredBlocks(None, stays).patches(START, batch, student, teacher, None)
    assert len(patch.blocks) == sum(1 if stay else 2 for stay in stays)
    seen = student.observe(batch, frozenset({CLASS}), patch)
    np.testing.assert_allclose(seen[CLASS].detach(), runs[name]["s_logits.0"], rtol=1e-9)
    assert of_teacher == Patch()


def test_counterfactual_words_equal_the_authors(models, runs):
    case = runs["diito_pt_seed6"]
    masks = tuple(case[n].tolist() for n in ("interchange_mask", "dual_interchange_mask"))
    edit = StoredSwap(0.3, int(case["s_alignment_layer"]), masks)
    batch = batch_of(models, "pretrain")
    both = student_and_teacher(models)
    pair = edit.sources(START, *(model.shape for model in both))
    seen = tuple(
        model.observe(batch, frozenset(Site("hidden", layer) for layer in layers))
        for model, layers in zip(both, pair, strict=True)
    )
    patches = edit.patches(START, batch, *both, seen)
    for side, model, patch in zip("st", both, patches, strict=True):
        words = model.observe(batch, frozenset({WORDS}), patch)[WORDS].dense()
        np.testing.assert_allclose(words.detach(), case[f"{side}_logits.1"], rtol=1e-9, atol=1e-12)
        untouched = model.observe(batch, frozenset({WORDS}))[WORDS].dense()
        np.testing.assert_allclose(untouched.detach(), case[f"{side}_logits.0"], rtol=1e-9, atol=1e-12)


def test_a_model_of_teacher_blocks_alone_trains_what_is_left_of_the_student(models):
    """As the authors ran it, a draw that keeps no student block stands."""
    student, teacher = student_and_teacher(models)
    teacher.module.requires_grad_(requires_grad=False)
    objective = replace(glmd.THESEUS.steps[0].objective, edit=StoredBlocks(None, (False, False, False)))
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    assert not bound.teacher_sites(START, 0)
    bound.loss(batch_of(models, "ft_single"), student, [teacher], START).total.backward()
    trained = {name.split(".")[1] for name, p in student.module.named_parameters() if p.grad is not None}
    assert trained == {"weight", "position_embeddings", "block_position_embeddings", "final_layernorm"}
    assert all(parameter.grad is None for parameter in teacher.module.parameters())


def test_student_blocks_are_kept_as_often_as_the_schedule_says():
    edit = glmd.THESEUS.steps[0].objective.edit
    assert edit == ReplaceBlocks(Linear(0.3, 1.0, until=0.66))
    early = [edit.kept(Clock(0, 10_000, seed=seed), 6) for seed in range(500)]
    assert np.mean(early) == pytest.approx(0.3, abs=0.03)
    assert all(edit.kept(Clock(6600, 10_000), 6))
    assert edit.kept(Clock(5, 10_000), 6) == edit.kept(Clock(5, 10_000), 6)
    draws = {tuple(edit.kept(Clock(step, 10_000), 6)) for step in range(50)}
    assert len(draws) > 10


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 999))
def test_swapped_spans_stay_inside_both_rows(lengths, step):
    clock, longest = Clock(step, 1000), max(lengths)
    where, source = SwapTokens(0.3).spans(clock, lengths, longest)
    for row, length in enumerate(lengths):
        other = lengths[(row + 1) % len(lengths)]
        changed = where[row].nonzero()[:, 0]
        assert len(changed) == int(0.3 * min(length, other))
        if len(changed):
            taken = source[row, changed]
            assert changed[-1] < length and taken[-1] < other
            assert torch.equal(changed.diff(), torch.ones_like(changed[1:]))
            assert torch.equal(taken - taken[0], changed - changed[0])
    again, _ = SwapTokens(0.3).spans(clock, lengths, longest)
    assert torch.equal(where, again)


def test_only_the_span_changes_and_the_source_keeps_its_gradient(models):
    student, teacher = student_and_teacher(models)
    batch, edit = batch_of(models, "pretrain"), SwapTokens(0.3)
    pair = edit.sources(NOW, student.shape, teacher.shape)
    (layer,) = pair.student
    assert pair.teacher == (2 * layer - 1, 2 * layer)
    sites = [frozenset(Site("hidden", i) for i in layers) for layers in pair]
    seen = student.observe(batch, sites[0]), teacher.observe(batch, sites[1])
    patch, _ = edit.patches(NOW, batch, student, teacher, seen)
    before = seen[0][Site("hidden", layer)]
    own = before.detach().clone().requires_grad_()
    after = patch.hidden[layer](own)
    where, source = edit.spans(NOW, batch.valid.sum(1).tolist(), batch.valid.shape[1])
    assert where.any() and not where.all()
    assert torch.equal(after[~where], own[~where])
    rows, places = where.nonzero(as_tuple=True)
    assert torch.equal(after[rows, places], before[(rows + 1) % len(before), source[rows, places]])
    to_source, to_own = torch.autograd.grad(after.sum(), (before, own))
    assert to_source.any() and not to_own[where].any()


def test_the_second_pass_reads_what_only_edited_terms_ask_for(models):
    student, teacher = student_and_teacher(models)
    bound = BoundObjective(glmd.DIITO.steps[0].objective, student.shape, [teacher.shape])
    assert bound.student_sites(NOW, edited=True) == {WORDS}
    (layer,) = bound.objective.edit.sources(NOW, student.shape, teacher.shape).student
    assert bound.student_sites(NOW) == {WORDS, HARD, Site("hidden", 3), Site("hidden", layer)}
    parts = bound.loss(batch_of(models, "pretrain"), student, [teacher], NOW).parts
    assert list(parts) == ["0-words", "1-hard", "2-hidden", "3-words"]
    assert parts["0-words"] != parts["3-words"]


def test_stand_ins_change_what_the_teacher_reads_and_nothing_else(models):
    """A teacher that reads mapped words sees exactly what it sees of a batch written in those words."""
    small, teacher = student_and_teacher(models)
    size = teacher.shape.vocab
    kept, dropped = torch.arange(0, size, 2), torch.arange(1, size, 2)
    substitute = torch.zeros(size, dtype=torch.long)
    substitute[kept], substitute[dropped] = torch.arange(len(kept)), torch.arange(len(dropped)) // 2
    is_kept = torch.zeros(size, dtype=torch.bool).index_fill(0, kept, True)
    student = GLMFamily(small.module, VocabularyMap(kept, substitute, is_kept))
    batch = batch_of(models, "ft_single")
    ours, theirs = StandIns().patches(START, batch, student, teacher, None)
    assert ours == UNCHANGED
    want = frozenset({CLASS, HARD})
    seen, plain = teacher.observe(batch, want, theirs), teacher.observe(batch, want)
    written = teacher.observe(replace(batch, tokens=kept[substitute[batch.tokens]]), want)
    assert torch.equal(seen[CLASS], written[CLASS]) and torch.equal(seen[HARD], written[HARD])
    assert not torch.equal(seen[CLASS], plain[CLASS])


def test_the_objective_hands_stand_ins_to_the_teacher_alone(models):
    small, teacher = student_and_teacher(models)
    size = teacher.shape.vocab
    everything = torch.arange(size)
    to_first = VocabularyMap(everything, torch.zeros_like(everything), everything >= 0)
    batch = batch_of(models, "ft_single")
    objective = replace(glmd.PD.steps[1].objective, edit=StandIns())
    bound = BoundObjective(objective, small.shape, [teacher.shape])
    assert not bound.cacheable(0, frozenset({CLASS}))
    student = GLMFamily(small.module, to_first)
    found = bound.loss(batch, student, [teacher], START).total
    scores = [student.observe(batch, frozenset({CLASS}))[CLASS]]
    scores.append(
        teacher.observe(replace(batch, tokens=torch.zeros_like(batch.tokens)), frozenset({CLASS}))[CLASS]
    )
    expected = -(scores[1].softmax(-1) * scores[0].log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(found, expected)


def test_stand_ins_of_a_whole_vocabulary_change_nothing(models):
    student, teacher = student_and_teacher(models)
    assert StandIns().patches(START, None, student, teacher, None)[1].words is None
