import subprocess
import sys

import pytest

from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.layermaps import Uniform
from retort.distill.objective import Objective, Term, hard, match, soft, words
from retort.distill.schedules import Linear


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


def test_a_scheduled_weight_cannot_be_scaled():
    with pytest.raises(TypeError, match="put the factor into its schedule"):
        0.5 * (hard() + words(KL(), weight=Linear(0.0, 1.0)))


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
    assert Objective((Term("hard"),)) == hard()


def test_methods_are_written_down_without_torch():
    code = "import sys, retort.recipes.glmd, retort.stages, retort.quirks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
