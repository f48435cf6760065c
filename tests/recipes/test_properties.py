"""What holds for every step of every method, whatever the numbers: on small models in double precision."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from method_samples import (
    CLOCKS,
    KEPT,
    SAMPLES,
    VOCAB,
    Models,
    awake,
    batch_of,
    family,
    frozen,
    models_for,
    outcome,
    parts_over_time,
    rewritten,
    student_size,
    teachers_of,
)

from retort.distill.distances import KL, SoftCrossEntropy
from retort.distill.ensembles import Mean
from retort.distill.lenses import Project
from retort.distill.schedules import Clock, Place, value_of
from retort.distill.vocabulary import VocabularyMap, build_map
from retort.models.features import CLASS
from retort.models.glm_family import GLMFamily

EVERY_STEP = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
EVERY_COMPARISON = pytest.mark.parametrize(
    "sample",
    [s for s in SAMPLES if any(term.by is not None for term in s.step.objective.terms)],
    ids=lambda sample: sample.name,
)
# A student that is its teacher


def twins(sample):
    """A student whose teachers are all equal to it; with a map, on the words that the student keeps."""
    torch.manual_seed(0)
    config = student_size(sample, 4, 16)
    teacher = frozen(family(config))
    student = GLMFamily(copy.deepcopy(teacher.module).requires_grad_())
    if sample.method.compression is not None:
        table = teacher.module.word_embeddings.weight
        chosen = build_map(torch.randperm(VOCAB), KEPT, table, "inner_product", 1)
        student = family(replace(config, vocab=KEPT), chosen)
        state = teacher.module.state_dict()
        student.module.load_state_dict(state | {"word_embeddings.weight": table[chosen.kept_ids]})
    return Models(student, (teacher,) * teachers_of(sample))


def shared_batch(sample, models):
    """A padded batch in words that student and teacher both have rows for.

    With a compressed vocabulary answers are single words: longer ones are scored by log-probabilities,
    which even between twins depend on how many words there are.
    """
    if models.vocabulary is None:
        return batch_of(sample.kinds[-1], 4)
    return in_kept_words(batch_of(sample.kinds[0], 4), models.vocabulary)


def in_kept_words(batch, vocabulary):
    """The same batch in words that a student with a compressed vocabulary keeps."""
    kept, choices = vocabulary.kept_ids, batch.choices
    if choices is not None and choices.verbalizers is not None:
        choices = replace(choices, verbalizers=kept[choices.verbalizers % KEPT])
    return replace(
        batch, tokens=kept[batch.tokens % KEPT], targets=kept[batch.targets % KEPT], choices=choices
    )


MASKED = "cosine: masked rows stay in the mean and count 1"
NEVER_ZERO = {
    "RAIL-KD-0/2-hidden": MASKED,
    "DistilBERT-0/2-hidden": MASKED,
    "DIITO-0/2-hidden": MASKED,
    "ALP-KD-0/2-hidden": "the target is a mix of all of the teacher's layers",
    "Universal-KD-0/1-hidden": "the same, of layers in a space of their own",
    "LRC-BERT-1/0-hidden": "contrastive: other rows must be far; also projected",
    "LRC-BERT-2/0-hidden": "contrastive: other rows must be far; also projected",
    "Annealing-KD-1/0-class": "the teacher's scores are damped until the last of seven steps",
    "Continuation-KD-1/1-class": "the same, and silent before its last step",
}
UNTIL_LENSES_AGREE = {
    "TinyBERT-0/1-hidden": "the student's side alone is projected",
    "TinyBERT-1/1-hidden": "the student's side alone is projected",
    "MGSKD-0/1-hidden": "TinyBERT's first step",
    "MT-BERT-0/2-hidden": "the teacher's side alone is projected",
    "RAIL-KD-1/2-hidden": "each side has a projection of its own",
    "RAIL-KD-unequal-1/2-hidden": "each side has a projection of its own",
}
"""Terms that compare with a teacher, but are not 0 between equal models; cross-entropies have their own test.
Theseus compares nothing: it has a hard loss alone."""


def without_entropy(objective):
    """Cross-entropies as divergences, which differ from them by the teacher's entropy."""
    return objective.each(
        lambda term: (
            replace(term, by=KL(term.by.temperature, term.by.squared))
            if isinstance(term.by, SoftCrossEntropy)
            else term
        )
    )


def agree(bound):
    """Projections of both sides become one, those of a single side the identity."""
    for name, lens in bound.lenses.items():
        other = name.replace("|teacher", "|student")
        with torch.no_grad():
            if other != name and other in bound.lenses:
                lens.load_state_dict(bound.lenses[other].state_dict())
            elif "|student" not in name or name.replace("|student", "|teacher") not in bound.lenses:
                torch.nn.init.eye_(lens.weight)
                if lens.bias is not None:
                    torch.nn.init.zeros_(lens.bias)


def far_from_zero(sample, models, bound, batch):
    """Names of the terms with a teacher that are not 0 at all times."""
    terms = dict(zip(bound.names, sample.step.objective.terms, strict=True))
    parts = parts_over_time(models, bound, batch)
    compared = {name for name in parts if name in terms and terms[name].by is not None}
    silent = {name for name, term in terms.items() if term.by is not None} - compared
    assert not silent, "the clocks miss a term"
    return {f"{sample.name}/{name}" for name in compared if max(map(abs, parts[name])) > 1e-12}


@EVERY_COMPARISON
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(sample):
    models = twins(sample)
    batch = shared_batch(sample, models)
    assert not bool(batch.valid.all())
    bound = models.bind(without_entropy(sample.step.objective))
    own = {key for key in {**NEVER_ZERO, **UNTIL_LENSES_AGREE} if key.startswith(f"{sample.name}/")}
    assert far_from_zero(sample, models, bound, batch) == own
    agree(bound)
    assert far_from_zero(sample, models, bound, batch) == own - UNTIL_LENSES_AGREE.keys()


def test_terms_that_are_not_zero_are_named_once():
    assert not NEVER_ZERO.keys() & UNTIL_LENSES_AGREE.keys()
    learned = {
        f"{sample.name}/{index}-{term.site}"
        for sample in SAMPLES
        for index, term in enumerate(sample.step.objective.terms)
        if any(isinstance(step, Project) for step in term.via)
    }
    assert learned - NEVER_ZERO.keys() == UNTIL_LENSES_AGREE.keys()


@EVERY_COMPARISON
def test_what_is_zero_pulls_nowhere(sample):
    """Its gradient is 0, too, and nowhere undefined: equal models are where roots and angles break."""
    objective = without_entropy(sample.step.objective)
    names = [f"{sample.name}/{index}-{term.site}" for index, term in enumerate(objective.terms)]
    chosen = tuple(
        term
        for name, term in zip(names, objective.terms, strict=True)
        if term.by is not None and name not in {**NEVER_ZERO, **UNTIL_LENSES_AGREE}
    )
    models = twins(sample)
    batch = shared_batch(sample, models)
    for clock in awake(models, chosen):
        found = outcome(models, replace(objective, terms=chosen), [batch], clock)
        for name, tensor in found.items():
            assert name == "loss" or name.startswith("objective.policy") or tensor.abs().max() < 1e-9, name


@pytest.mark.parametrize(
    "sample",
    [
        s
        for s in SAMPLES
        if isinstance(s.step.objective.ensemble, Mean)
        and any(isinstance(term.by, SoftCrossEntropy) for term in s.step.objective.terms)
    ],
    ids=lambda sample: sample.name,
)
def test_a_soft_cross_entropy_to_itself_is_the_teachers_entropy(sample):
    models, clock = twins(sample), CLOCKS[-1]
    batch = shared_batch(sample, models)
    parts = models.losses(models.bind(sample.step.objective), batch, clock).parts
    scores = models.teachers[0].observe(batch, frozenset({CLASS}))[CLASS]
    for index, term in enumerate(sample.step.objective.terms):
        if isinstance(term.by, SoftCrossEntropy):
            log_p = (scores / term.by.temperature).log_softmax(-1)
            entropy = -(log_p.exp() * log_p).sum(-1).mean()
            weight = value_of(term.weight, clock, Place(-1, 4))
            torch.testing.assert_close(parts[f"{index}-class"], weight * entropy, rtol=1e-12, atol=0)
            assert parts[f"{index}-class"] > 0.01


@pytest.mark.parametrize("name", ["DistilBERT-0", "DIITO-0"])
def test_masked_rows_alone_keep_a_cosine_from_zero(name):
    """The authors' mean counts them; a mean over real positions is 0."""
    (sample,) = (s for s in SAMPLES if s.name == name)
    models, batch = twins(sample), batch_of("pretraining", 4)
    objective = sample.step.objective
    found = models.losses(models.bind(objective), batch, CLOCKS[0]).parts["2-hidden"]
    padding = 1 - batch.valid.double().mean()
    torch.testing.assert_close(found, objective.terms[2].weight * padding, rtol=1e-12, atol=0)
    mended = models.bind(rewritten(sample, {"masked-means": "fixed"}))
    assert abs(models.losses(mended, batch, CLOCKS[0]).parts["2-hidden"]) < 1e-12


def test_a_compressed_twin_scores_longer_answers_by_its_own_words():
    (sample,) = (s for s in SAMPLES if s.name == "GLMD-2")
    models = twins(sample)
    bound = models.bind(without_entropy(sample.step.objective))
    single = shared_batch(sample, models)
    assert single.choices.verbalizers is not None
    assert abs(models.losses(bound, single, CLOCKS[0]).total) < 1e-12
    longer = in_kept_words(batch_of("sum", 4), models.vocabulary)
    assert models.losses(bound, longer, CLOCKS[0]).total > 1e-4


def test_annealed_scores_end_at_the_teachers():
    (sample,) = (s for s in SAMPLES if s.name == "Annealing-KD-1")
    models = twins(sample)
    found = parts_over_time(models, models.bind(sample.step.objective), batch_of("sum", 4))["0-class"]
    assert found[0] > found[1] > 1e-3 and found[2] == 0


def test_a_student_whose_blocks_are_its_teachers_is_itself():
    """Theseus: whichever blocks are exchanged, the hard loss is the plain one."""
    (sample,) = (s for s in SAMPLES if s.name == "Theseus-0")
    models, batch = twins(sample), batch_of("sum", 4)
    plain = models.bind(replace(sample.step.objective, edit=None))
    for step in range(0, 10, 2):
        found = models.losses(models.bind(sample.step.objective), batch, Clock(step, 10)).total
        expected = models.losses(plain, batch, Clock(step, 10)).total
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


# The order of the vocabulary


def renamed(models, order):
    """The same models with words in another order: word i becomes word ``order[i]``."""

    def reordered(found, new_row):
        module = copy.deepcopy(found.module)
        with torch.no_grad():
            module.word_embeddings.weight[new_row] = found.module.word_embeddings.weight
        return GLMFamily(module, found.vocabulary)

    teachers = tuple(reordered(teacher, order) for teacher in models.teachers)
    old = models.vocabulary
    if old is None:
        return Models(reordered(models.student, order), teachers)
    rows = torch.randperm(KEPT)  # the student's own rows may come in any order, too
    kept, substitute, is_kept = (torch.empty_like(x) for x in (old.kept_ids, old.substitute, old.is_kept))
    kept[rows] = order[old.kept_ids]
    substitute[order] = rows[old.substitute]
    is_kept[order] = old.is_kept
    student = reordered(models.student, rows)
    return Models(GLMFamily(student.module, VocabularyMap(kept, substitute, is_kept)), teachers)


def in_new_words(batch, order):
    """A batch that says the same in words of another order."""
    choices = batch.choices
    if choices is not None and choices.verbalizers is not None:
        choices = replace(choices, verbalizers=order[choices.verbalizers])
    return replace(batch, tokens=order[batch.tokens], targets=order[batch.targets], choices=choices)


@EVERY_STEP
def test_the_order_of_the_vocabulary_does_not_matter(sample):
    models = models_for(sample)
    order = torch.randperm(VOCAB, generator=torch.Generator().manual_seed(3))
    others = renamed(models, order)
    for kind in sample.kinds:
        batch = batch_of(kind, 4)
        bounds = [each.bind(sample.step.objective) for each in (models, others)]
        expected = parts_over_time(models, bounds[0], batch)
        found = parts_over_time(others, bounds[1], in_new_words(batch, order))
        assert found.keys() == expected.keys()
        for name in expected:
            torch.testing.assert_close(
                torch.stack(found[name]), torch.stack(expected[name]), rtol=1e-10, atol=1e-12, msg=name
            )


def test_a_vocabulary_map_is_built_alike_in_any_order():
    torch.manual_seed(0)
    table, ranks, order = torch.randn(VOCAB, 8), torch.randperm(VOCAB), torch.randperm(VOCAB)
    renamed_table = torch.empty_like(table)
    renamed_table[order] = table
    for method in ("inner_product", "cosine", "euclidean"):
        before = build_map(ranks, KEPT, table, method, 1)
        after = build_map(order[ranks], KEPT, renamed_table, method, int(order[1]))
        assert torch.equal(after.kept_ids, order[before.kept_ids])
        assert torch.equal(after.substitute[order], before.substitute)
