"""The methods of the GLMD paper as values."""

import subprocess
import sys

from method_samples import SAMPLES

from retort.distill.distances import KL, SoftCrossEntropy
from retort.recipes import glmd


def test_stages_are_those_of_the_papers_table():
    simple = ("KD", "PD", "TinyBERT", "GLMD-vc", "GLMD")
    shapes = {
        m.name: [(s.phase, [t.site for t in s.objective.terms]) for s in m.steps]
        for m in glmd.METHODS
        if m.name in simple
    }
    inner = ["scores", "hidden"]
    three = [("pretraining", ["words"]), ("task", ["words"]), ("task", ["class"])]
    assert shapes == {
        "KD": [("task", ["class", "hard"])],
        "PD": [("pretraining", ["hard"]), ("task", ["class"])],
        "TinyBERT": [("pretraining", inner), ("task", inner), ("task", ["class"])],
        "GLMD-vc": three,
        "GLMD": three,
    }


def test_glmd_differs_from_its_ablation_by_the_vocabulary_alone():
    assert glmd.GLMD.steps == glmd.GLMD_VC.steps
    assert glmd.GLMD_VC.compression is None and glmd.GLMD.compression.ratio == 0.5


def test_constants_of_the_authors_commands():
    assert glmd.KD.steps[0].objective.terms[0].by == SoftCrossEntropy(10.0)
    assert glmd.GLMD.steps[0].objective.terms[0].by == KL(15.0)
    assert glmd.GLMD.steps[2].objective.terms[0].by == SoftCrossEntropy(1.0)
    assert [step.carry_lenses for step in glmd.TINYBERT.steps] == [False, True, False]


def test_no_soft_term_is_left_unresolved():
    assert all(term.site != "soft" for sample in SAMPLES for term in sample.step.objective.terms)


def test_names_are_unique_and_cited():
    assert len({m.name for m in glmd.METHODS}) == len(glmd.METHODS)
    assert all("20" in m.citation for m in glmd.METHODS)


def test_recipes_load_without_torch():
    code = "import sys, retort.recipes.glmd; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
