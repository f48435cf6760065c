"""Objectives at work, against losses and gradients of the authors' own code."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.distill.binding import BoundObjective, Seen, position_mask
from retort.distill.distances import KL, MSE, Cosine, SoftCrossEntropy
from retort.distill.ensembles import InverseTeacherLoss
from retort.distill.layermaps import Pair, Uniform
from retort.distill.lenses import Project
from retort.distill.objective import Objective, Term, hard, match, soft, words
from retort.distill.schedules import Clock, Linear
from retort.models.features import CLASS, HARD, WORDS, Features, Shape, Site, Totals, WordLogits
from retort.recipes import glmd

NOW = Clock(0, 1)


@dataclass(frozen=True)
class Fixed:
    """Layer pairs by hand, for the authors' options that no method of the tables uses."""

    chosen: tuple[tuple[int, int], ...]

    def pairs(self, clock, student_layers, teacher_layers):
        return [Pair((s,), (t,)) for s, t in self.chosen]


def words_at_targets(by):
    return soft(by).in_phase("pretraining")


def classes(by):
    return soft(by).in_phase("task")


def projected(*pairs):
    return match("hidden", Fixed(pairs), MSE(), (Project(),))


SCORES = match("scores", Uniform(), MSE())

KD = {
    "readme_kd_ft": glmd.KD.steps[0].objective,
    "readme_pd_ft": glmd.PD.steps[1].objective,
    "ft_kl_T10": classes(KL(10.0)),
    "ft_mse": classes(MSE()),
    "ft_ce_seq_mask": words(SoftCrossEntropy(2.0), mask="predicted"),
    "ft_mse_seq_mask_typo": words(MSE(), mask="none"),
    "pt_kl_maskA": words_at_targets(KL(15.0)),
    "pt_kl_maskpad": words(KL(15.0), mask="valid"),
    "pt_kl_nomask": words(KL(15.0), mask="none"),
    "pt_ce_maskA": words_at_targets(SoftCrossEntropy(15.0)),
    "logits_parallel_T15_maskpad": words(KL(15.0)),
}
KD_LEFT_OUT = {
    "pt_mse_maskA": "masks the teacher's logits only, so that masked positions pull the student to 0",
    "pt_mse_maskpad": "the same with the other mask",
}
GLMD = {
    "readme_T15_maskpad": glmd.GLMD_VC.steps[0].objective,
    "T1_nomask": words(KL(1.0), mask="none"),
    "mse_maskpad": words(MSE()),
    "T15_maska": words(KL(15.0), mask="predicted"),
    "T15_maska_logitmask3d": words(KL(15.0), mask="predicted"),
}
TINYBERT = {
    "readme": glmd.TINYBERT.steps[0].objective,
    "wo_final": SCORES + projected((0, 0), (1, 2), (2, 4)),
    "wo_emb": SCORES + match("hidden", Uniform(), MSE(), (Project(),)),
    "only_emb_final": projected((0, 0), (3, 6)),
    "only_emb": projected((0, 0)),
    "inter_final_custom2": projected((2, 5)),
    "random_layers": match("scores", Fixed(((1, 3), (2, 5), (3, 6))), MSE())
    + projected((0, 0), (1, 3), (2, 5), (3, 6)),
    "pre_ft_soft": glmd.TINYBERT.steps[2].objective,
}
COVERED = {"kd": KD, "logitsdistil": GLMD, "tinybert": TINYBERT}
LEFT_OUT = {"kd": KD_LEFT_OUT}


@pytest.mark.parametrize(("method", "case"), [(m, c) for m, cases in COVERED.items() for c in cases])
def test_losses_and_gradients_equal_the_authors(golden_cases, method, case):
    golden_cases(method)[case].check(COVERED[method][case])


@pytest.mark.parametrize("method", COVERED)
def test_every_stored_case_is_covered_or_named(golden_cases, method):
    assert set(golden_cases(method)) == set(COVERED[method]) | set(LEFT_OUT.get(method, {}))


def test_rows_kept_apart_average_to_the_whole(golden_cases):
    case = golden_cases("logitsdistil")["readme_T15_maskpad"]
    apart = replace(case, arrays={**case.arrays, "options": {**case.options, "keep_batch": True}})
    objective = GLMD["readme_T15_maskpad"]
    torch.testing.assert_close(apart.run(objective).value.mean(), case.run(objective).value)


def features(rows=2, length=4, layers=2, width=6, vocab=7, seed=0, lengths=None):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    lengths = torch.tensor(lengths or [length] * rows)
    valid = torch.arange(length)[None] < lengths[:, None]
    predicted = valid & (torch.arange(length)[None] >= 2)
    values = {Site("hidden", i): draw(rows, length, width) for i in range(layers + 1)}
    values |= {Site("scores", i): draw(rows, 2, length, length) for i in range(1, layers + 1)}
    values[WORDS] = WordLogits(draw(rows, length, width), draw(vocab, width))
    values[CLASS], values[HARD] = draw(rows, 3), draw(rows)
    return Features(values, valid, predicted, torch.arange(rows))


def totals(seen):
    return Totals(len(seen.valid), len(seen.valid), int(seen.valid.sum()), int(seen.predicted.sum()))


def bind(objective, layers=2, width=6, **options):
    return BoundObjective(objective, Shape(layers, width, 2, 7), [Shape(layers, width, 2, 7)], **options)


def compare(bound, seen, *teachers, clock=NOW):
    """The losses of features that were recorded in one pass."""
    return bound.compare(Seen(seen, teachers), None, clock, totals(seen))


def test_only_named_sites_are_asked_for():
    bound = BoundObjective(glmd.tinybert_features(), Shape(2, 6, 2, 7), [Shape(4, 8, 2, 7)])
    assert bound.student_sites(NOW) == {
        Site("scores", 1),
        Site("scores", 2),
        *(Site("hidden", i) for i in range(3)),
    }
    assert bound.teacher_sites(NOW, 0) == {
        Site("scores", 2),
        Site("scores", 4),
        *(Site("hidden", i) for i in (0, 2, 4)),
    }
    assert sum(p.numel() for p in bound.parameters()) == 6 * 8 + 8


def test_hard_alone_needs_no_teacher():
    bound = BoundObjective(hard(), Shape(2, 6, 2, 7))
    assert bound.teacher_sites(NOW, 0) == frozenset() == bind(hard()).teacher_sites(NOW, 0)
    seen = features()
    assert compare(bound, seen).total == seen[HARD].mean() == compare(bind(hard()), seen, features()).total
    with pytest.raises(ValueError, match="there is none"):
        BoundObjective(words(KL()), Shape(2, 6, 2, 7))


def test_parts_add_up_and_carry_their_weight():
    seen, other = features(), features(seed=1)
    both = compare(bind(2.0 * classes(KL()) + 3.0 * hard()), seen, other)
    assert list(both.parts) == ["0-class", "1-hard"]
    torch.testing.assert_close(both.total, sum(both.parts.values()))
    torch.testing.assert_close(both.parts["1-hard"], 3 * seen[HARD].mean())


def test_a_term_of_weight_zero_is_not_computed():
    seen, other = features(), features(seed=1)
    objective = hard() + Objective((Term("class", KL(), weight=Linear(0.0, 1.0)),))
    assert list(compare(bind(objective), seen, other, clock=Clock(0, 4)).parts) == ["0-hard"]
    assert len(compare(bind(objective), seen, other, clock=Clock(2, 4)).parts) == 2
    with pytest.raises(ValueError, match="weight 0"):
        compare(bind(0.0 * hard()), seen, other)


@pytest.mark.parametrize("by", [KL(3.0), MSE(), Cosine(), SoftCrossEntropy(2.0)])
@pytest.mark.parametrize("mask", ["valid", "predicted"])
def test_masked_positions_count_as_their_constant(by, mask):
    """The authors multiply inputs by the mask and average over all positions: so does ``norm="all"``."""
    seen, other = features(lengths=[4, 3]), features(seed=1)
    keep = position_mask(seen, mask)[..., None]
    naive = by(seen[WORDS].dense() * keep, other[WORDS].dense() * keep).mean()
    torch.testing.assert_close(compare(bind(words(by, mask=mask)), seen, other).total, naive)
    naive = by(seen[Site("hidden", 1)] * keep, other[Site("hidden", 1)] * keep).mean()
    layered = match("hidden", Fixed(((1, 1),)), by, mask=mask)
    torch.testing.assert_close(compare(bind(layered), seen, other).total, naive)


LAYERED = match("hidden", Uniform(embedding=True), MSE(), (Project(),), mask="valid")


@pytest.mark.parametrize("objective", [words(KL(15.0)), words(Cosine(), mask="predicted"), LAYERED])
def test_padding_never_changes_a_mean_over_valid_positions(objective):
    valid_mean = Objective(tuple(replace(term, norm="valid") for term in objective.terms))
    bound = bind(valid_mean).double()
    seen, other = features(lengths=[4, 2]), features(seed=1)
    before = compare(bound, seen, other).total
    with torch.no_grad():
        for site in (*(Site("hidden", i) for i in range(3)), WORDS):
            for side in (seen, other):
                tensor = side[site].hidden if site == WORDS else side[site]
                tensor[~seen.valid] = 1e3 * torch.rand_like(tensor[~seen.valid])
    torch.testing.assert_close(compare(bound, seen, other).total, before)


def test_mean_over_valid_positions_is_a_plain_mean():
    seen, other = features(lengths=[4, 2]), features(seed=1)
    objective = Objective((replace(words(KL()).terms[0], norm="valid"),))
    naive = KL()(seen[WORDS].dense(), other[WORDS].dense())[seen.valid].mean()
    torch.testing.assert_close(compare(bind(objective), seen, other).total, naive)


@pytest.mark.parametrize("norm", ["all", "valid"])
def test_a_batch_without_targets_has_loss_zero(norm):
    seen, other = features(), features(seed=1)
    seen.predicted[:] = False
    objective = Objective((Term("words", KL(), mask="predicted", norm=norm),))
    loss = compare(bind(objective), seen, other).total
    loss.backward()
    assert loss == 0 and seen[WORDS].hidden.grad.abs().sum() == 0
    layered = Objective((Term("hidden", MSE(), Uniform(), mask="predicted", norm=norm),))
    assert compare(bind(layered), seen, other).total == 0


def test_what_has_no_positions_cannot_be_masked():
    """Scores of as many rows as heads would broadcast, and mean something else."""
    seen, other = features(), features(seed=1)
    with pytest.raises(ValueError, match="scores: a mask needs features"):
        compare(bind(match("scores", Uniform(), MSE(), mask="valid")), seen, other)


def test_a_model_agrees_with_itself():
    seen = features()
    objective = words(KL(15.0)) + match("scores", Uniform(), MSE()) + match("hidden", Uniform(), MSE())
    loss = compare(bind(objective + classes(KL())), seen, seen).total
    torch.testing.assert_close(loss, torch.zeros((), dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_teacher_is_renormalised_over_kept_words():
    seen, other = features(vocab=3), features(seed=1, vocab=7)
    kept = torch.tensor([5, 0, 6])
    objective = words(KL(2.0), mask="none")
    found = compare(bind(objective, kept_words=kept), seen, other).total
    naive = KL(2.0)(seen[WORDS].dense(), other[WORDS].dense()[..., kept]).mean()
    torch.testing.assert_close(found, naive)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(7)), st.sampled_from([KL(15.0), SoftCrossEntropy(2.0), MSE(), Cosine()]))
def test_the_order_of_the_vocabulary_does_not_matter(order, by):
    seen, other = features(), features(seed=1)
    bound = bind(words(by))
    before = compare(bound, seen, other).total
    for side in (seen, other):
        side.values[WORDS] = side[WORDS].keep(torch.tensor(order))
    torch.testing.assert_close(compare(bound, seen, other).total, before)


@pytest.mark.parametrize("norm", ["all", "valid"])
@pytest.mark.parametrize("mask", ["none", "valid", "predicted"])
@pytest.mark.parametrize("by", [KL(2.0), SoftCrossEntropy(2.0), Cosine()])
def test_words_summed_at_once_or_row_by_row_are_one_loss(by, mask, norm):
    """An ensemble that tells examples apart takes rows one by one; here all of them weigh 1."""
    seen, other = features(lengths=[4, 2]), features(seed=1)
    other.values[HARD] = torch.zeros(2, dtype=torch.float64)
    at_once = Objective((replace(words(by, mask=mask).terms[0], norm=norm),))
    found, gradients = [], []
    for objective in (at_once, replace(at_once, ensemble=InverseTeacherLoss())):
        found.append(compare(bind(objective), seen, other).total)
        leaves = [seen[WORDS].hidden, seen[WORDS].weight]
        gradients.append(torch.autograd.grad(found[-1], leaves))
    torch.testing.assert_close(*found, rtol=1e-12, atol=0)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-13)


def test_two_teachers_count_half_each():
    seen, first, second = features(), features(seed=1), features(seed=2)
    objective = words(KL(2.0)) + classes(MSE()) + match("hidden", Uniform(), MSE())
    shape = Shape(2, 6, 2, 7)
    both = BoundObjective(objective + hard(), shape, [shape, shape])
    alone = [compare(bind(objective), seen, teacher).total for teacher in (first, second)]
    together = compare(both, seen, first, second).total
    torch.testing.assert_close(together, sum(alone) / 2 + seen[HARD].mean())


def test_each_teacher_has_lenses_of_its_own():
    bound = BoundObjective(LAYERED, Shape(2, 6, 2, 7), [Shape(2, 8, 2, 7), Shape(4, 10, 2, 7)])
    assert {name: tuple(lens.weight.shape) for name, lens in bound.lenses.items()} == {
        "0-hidden-t0-0|student": (8, 6),
        "0-hidden-t1-0|student": (10, 6),
    }


def test_a_term_without_layers_of_this_student_counts_nothing():
    """As MGSKD's upper layers in a student of two."""
    seen, other = features(), features(seed=1)
    objective = hard() + match("hidden", Uniform(start=3), MSE())
    bound = bind(objective)
    assert list(compare(bound, seen, other).parts) == ["0-hard"]
    assert bound.teacher_sites(NOW, 0) == frozenset()
