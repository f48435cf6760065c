"""The methods of the GLMD paper as values, and the invariance that every one of them must have."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.data.batches import collate, collate_cloze, split
from retort.data.examples import ClozeExample, GLMExample
from retort.distill.binding import BoundObjective
from retort.distill.distances import KL, BatchDistance, SoftCrossEntropy
from retort.distill.edits import SwapTokens
from retort.distill.ensembles import Policy, RouteByEntropy
from retort.distill.schedules import Clock
from retort.distill.vocabulary import build_map
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.quirks import LEDGER, rewrite
from retort.recipes import glmd

VOCAB = 60
EVERY_SWITCH = {quirk.id: next(iter(quirk.switches)) for quirk in LEDGER if quirk.switches}


def steps_of(method):
    """All steps, whichever way the method goes."""
    return (*method.steps, *method.unequal, *(method.chain.links if method.chain else ()))


STEPS = [(method, step) for method in glmd.METHODS for step in steps_of(method)]
EQUAL_WIDTHS = {"PKD", "DistilBERT", "Theseus", "SID", "MobileBERT", "ALP-KD", "DIITO", "RAIL-KD"}
PER_MICRO_BATCH = {
    "LRC-BERT": "the other rows of the micro-batch are its negatives",
    "CKD": "means over the real tokens of the micro-batch",
    "MGSKD": "angles among the rows of the micro-batch, means over its real tokens",
    "RAIL-KD": "a sum over the micro-batch",
    "DIITO": "the next row of the micro-batch gives its activations",
    "Uncertainty": "the student's rank in the micro-batch chooses the teacher",
    "RL-KD": "the reward is the mean of the micro-batch, and the policy remembers the one before",
}
"""Methods that are defined on what is in memory together, as the authors ran them."""


def per_micro_batch(step):
    """Whether a step's loss is a function of the rows that are seen together."""
    objective = step.objective
    return (
        any(isinstance(term.by, BatchDistance) for term in objective.terms)
        or isinstance(objective.edit, SwapTokens)
        or isinstance(objective.ensemble, RouteByEntropy | Policy)
    )


SPLITTABLE = [(method, step) for method, step in STEPS if not per_micro_batch(step)]


def example(generator, answer):
    sep = int(torch.randint(2, 6, (), generator=generator))
    tokens = torch.randint(1, VOCAB, (sep + answer,), generator=generator).numpy().astype(np.int32)
    index = np.arange(sep + answer)
    positions = np.stack([np.minimum(index, sep - 1), np.maximum(0, index - sep + 1)]).astype(np.int32)
    predicted = index >= sep
    return GLMExample(tokens, positions, sep, np.where(predicted, np.roll(tokens, -1), 0), predicted)


def pretraining_batch(seed, rows):
    g = torch.Generator().manual_seed(seed)
    return collate([example(g, int(torch.randint(1, 6, (), generator=g))) for _ in range(rows)])


def task_batch(seed, rows, kind):
    g = torch.Generator().manual_seed(seed)
    if kind == "single":
        return collate_cloze([ClozeExample(str(i), (example(g, 1),), i % 3, (4, 9, 33)) for i in range(rows)])
    counts = [1 + int(torch.randint(0, 3, (), generator=g)) for _ in range(rows)]
    examples = [
        ClozeExample(str(i), tuple(example(g, 1 + (i + c) % 4) for c in range(n)), n - 1, None)
        for i, n in enumerate(counts)
    ]
    return collate_cloze(examples, mean_over_tokens=kind == "mean")


def families(method):
    torch.manual_seed(0)
    several = method.several or (method.chain is not None and method.chain.dense)
    teachers = [
        GLMFamily(GLM(GLMConfig(4, 24, 2, VOCAB, 20, 0.0)).double().eval()) for _ in range(1 + several)
    ]
    teacher = teachers[0]
    if method.compression is None:
        width = 24 if method.name in EQUAL_WIDTHS else 16
        return GLMFamily(GLM(GLMConfig(2, width, 2, VOCAB, 20, 0.0)).double()), teachers, None
    table = teacher.module.word_embeddings.weight.detach()
    chosen = build_map(torch.randperm(VOCAB), 32, table, "inner_product", 1)
    return GLMFamily(GLM(GLMConfig(2, 16, 2, 32, 20, 0.0)).double(), chosen), teachers, chosen.kept_ids


def gradient(objective, models, batches):
    """Loss and gradient of all parameters over micro-batches."""
    student, teachers, kept = models
    torch.manual_seed(1)
    teachers = teachers if objective.needs_teacher else []
    bound = BoundObjective(objective, student.shape, [teacher.shape for teacher in teachers], kept).double()
    parameters = [*student.module.parameters(), *bound.parameters()]
    loss = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        loss = loss + bound.loss(batch, student, teachers, Clock(3, 10)).total
    return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)


@pytest.mark.parametrize(
    ("method", "step"), SPLITTABLE, ids=[f"{m.name}-{i}" for i, (m, _) in enumerate(SPLITTABLE)]
)
@pytest.mark.parametrize("quirks", [{}, EVERY_SWITCH], ids=["as_run", "every_switch"])
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 6), part=st.integers(1, 5))
def test_micro_batches_do_not_change_the_gradient(method, step, quirks, seed, rows, part):
    changed = steps_of(rewrite(method, quirks))[steps_of(method).index(step)]
    objective, models = changed.objective, families(method)
    kinds = ("single", "sum", "mean") if step.phase == "task" else ("pretraining",)
    for kind in kinds:
        whole = pretraining_batch(seed, rows) if kind == "pretraining" else task_batch(seed, rows, kind)
        parts = split(whole, part)
        assert len(parts) == -(-rows // part)
        loss, expected = gradient(objective, models, [whole])
        again, found = gradient(objective, models, parts)
        torch.testing.assert_close(again, loss, rtol=1e-6, atol=1e-12)
        for a, b in zip(found, expected, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-10)


def test_splits_lose_and_invent_nothing():
    whole = task_batch(5, 5, "sum")
    parts = split(whole, 2)
    assert torch.equal(torch.cat([p.tokens for p in parts]), whole.tokens)
    assert sum((p.keys for p in parts), ()) == whole.keys
    assert all(p.totals == whole.totals for p in parts)
    assert torch.equal(torch.cat([p.choices.label for p in parts]), whole.choices.label)
    for p in parts:
        assert p.choices.row.max() == len(p.tokens) - 1 and p.example_of_row.max() == len(p.keys) - 1


def test_what_cannot_be_split_is_named_because_it_differs():
    def differs(method, step):
        models, whole = families(method), pretraining_batch(3, 6)
        if step.phase == "task":
            whole = task_batch(3, 6, "sum")
        results = [gradient(step.objective, models, batches)[0] for batches in ([whole], split(whole, 2))]
        return not torch.allclose(*results, rtol=1e-9)

    found = {
        method.name for method, step in STEPS if method.name in PER_MICRO_BATCH and differs(method, step)
    }
    assert found == set(PER_MICRO_BATCH) == {m.name for m, step in STEPS if per_micro_batch(step)}


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
    assert all(term.site != "soft" for _, step in STEPS for term in step.objective.terms)


def test_names_are_unique_and_cited():
    assert len({m.name for m in glmd.METHODS}) == len(glmd.METHODS)
    assert all("20" in m.citation for m in glmd.METHODS)


def test_recipes_load_without_torch():
    code = "import sys, retort.recipes.glmd; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
