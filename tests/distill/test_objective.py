import subprocess
import sys
from dataclasses import replace

import pytest

from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.edits import SwapTokens
from retort.distill.ensembles import SumOfSurvivors
from retort.distill.layermaps import Uniform
from retort.distill.objective import Objective, Term, hard, match, soft, words
from retort.distill.schedules import Clock, Linear, value_of


def test_soft_terms_follow_the_phase():
    both = soft(KL(2.0)) + hard()
    (task, gold), (pretraining, same) = both.in_phase("task").terms, both.in_phase("pretraining").terms
    assert (task.site, task.mask) == ("class", "none")
    assert (pretraining.site, pretraining.mask) == ("words", "predicted")
    assert task.by == pretraining.by == KL(2.0)
    assert gold == same == hard().terms[0]


@pytest.mark.parametrize("phase", ["task", "pretraining"])
def test_resolving_twice_changes_nothing(phase):
    objective = soft(KL()) + words(KL(15.0)) + match("scores", Uniform(), MSE())
    once = objective.in_phase(phase)
    assert once.in_phase(phase) == once
    assert once.terms[1:] == objective.terms[1:]


def test_word_terms_keep_their_mask_in_every_phase():
    assert words(KL(15.0)).in_phase("task").terms[0].mask == "valid"


def test_scaling_multiplies_every_weight():
    scaled = 0.5 * (words(KL(), weight=4.0) + hard())
    assert [term.weight for term in scaled.terms] == [2.0, 0.5]
    assert (2.0 * scaled).terms == (words(KL(), weight=4.0) + hard()).terms


def test_scaling_reaches_into_schedules():
    scaled = 0.5 * (hard() + words(KL(), weight=Linear(0.0, 1.0)))
    assert [value_of(term.weight, Clock(1, 2)) for term in scaled.terms] == [0.5, 0.25]
    assert (Linear(0.0, 1.0) * words(KL())).terms == words(KL(), weight=Linear(0.0, 1.0)).terms
    ramped = Linear(0.0, 1.0) * (3.0 * hard())
    assert value_of(ramped.terms[0].weight, Clock(1, 4)) == 0.75


def test_two_schedules_cannot_be_multiplied():
    with pytest.raises(TypeError, match="two schedules cannot be multiplied: write one"):
        Linear(0.0, 1.0) * (hard() + words(KL(), weight=Linear(0.0, 1.0)))


def test_sums_keep_order():
    parts = words(KL()), hard(), soft(SoftCrossEntropy())
    total = parts[0] + parts[1] + parts[2]
    assert [term.site for term in total.terms] == ["words", "hard", "soft"]
    assert (parts[0] + parts[1]) + parts[2] == parts[0] + (parts[1] + parts[2])


def test_only_comparisons_need_a_teacher():
    assert not hard().needs_teacher
    assert (hard() + words(KL())).needs_teacher


def test_objectives_are_values():
    assert words(KL(15.0)) == words(KL(15.0)) != words(KL(1.0))
    assert hash(match("hidden", Uniform(), MSE())) == hash(match("hidden", Uniform(), MSE()))
    assert Objective((Term("hard", weighted=False),)) == hard()


def test_methods_are_written_down_without_torch():
    code = "import sys, retort.recipes.glmd, retort.stages, retort.quirks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sum_never_loses_an_ensemble_or_an_edit():
    summed = replace(soft(MSE()), ensemble=SumOfSurvivors(0.5)) + hard()
    assert summed.ensemble == SumOfSurvivors(0.5) and len(summed.terms) == 2
    for odd in (replace(soft(MSE()), ensemble=SumOfSurvivors(0.5)), replace(hard(), edit=SwapTokens(0.3))):
        with pytest.raises(TypeError, match="set them on the whole sum"):
            hard() + odd
        assert (odd + odd).edit == odd.edit
