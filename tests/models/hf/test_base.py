"""What all transformers models have in common: one objective code, features where they are said to be."""

import copy
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("transformers")

from text_models import (  # noqa: E402
    ALL,
    THREE,
    TWO_STACKS,
    bart,
    batch_for,
    bert,
    mbart,
    opt_350m,
    own_forward,
    pair,
    t5,
    t5_tied,
)  # fmt: skip

from retort.distill.alignment import CKA  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.distances import KL, MSE, SoftCrossEntropy  # noqa: E402
from retort.distill.layermaps import BlockEnds, Last, Uniform  # noqa: E402
from retort.distill.lenses import Project  # noqa: E402
from retort.distill.objective import hard, match, soft, words  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.models.features import HARD, WORDS, Site, moved_right  # noqa: E402
from retort.models.glm import MASKED_SCORE  # noqa: E402

OBJECTIVES = {
    "KD": 4.0 * soft(KL(2.0)).in_phase("pretraining") + hard(),
    "GLMD": words(KL(15.0)),
    "TinyBERT": match("scores", Uniform(), MSE())
    + match("hidden", Uniform(embedding=True), MSE(), (Project(),)),
    "probabilities": match("probs", Last(), MSE()) + soft(SoftCrossEntropy()).in_phase("pretraining"),
}


def same(module, before):
    return all(torch.equal(p, q) for p, q in zip(module.state_dict().values(), before.values(), strict=True))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("build", THREE)
def test_the_same_objectives_train_every_family(build, name):
    student, teacher = pair(build)
    batch = batch_for(build)
    bound = BoundObjective(OBJECTIVES[name], student.shape, [teacher.shape])
    student.module.train()
    before_teacher = copy.deepcopy(teacher.module.state_dict())
    start = {n: p.detach().clone() for n, p in student.module.named_parameters()}
    adam = torch.optim.Adam([*student.module.parameters(), *bound.parameters()], 3e-3)
    losses = []
    for step in range(8):
        loss = bound.loss(batch, student, [teacher], Clock(step, 8)).total
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert all(after < before for before, after in pairwise(losses)), losses
    still = {n for n, p in student.module.named_parameters() if torch.equal(p, start[n])}
    assert {n for n in still if not untouched(n, name, build)} == set()
    assert same(teacher.module, before_teacher)


def untouched(parameter, objective, build):
    """What an objective does not reach: everything behind the features it compares.

    Key biases shift all scores of a query alike, so no probability depends on them.
    """
    if objective == "TinyBERT":
        return any(part in parameter for part in ("cls.predictions", "lm_head"))
    return parameter.endswith(("key.bias", "k_proj.bias"))


@pytest.mark.parametrize("build", ALL)
def test_word_logits_equal_the_models_own(build):
    family, _ = pair(build)
    family.module.eval()
    if build in (bart, mbart):
        family.module.final_logits_bias.normal_()
    assert build is not t5 or family.module.config.scale_decoder_outputs is False
    batch = batch_for(build)
    found = family.observe(batch, frozenset({WORDS}))[WORDS].dense()
    torch.testing.assert_close(found, own_forward(family, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", ALL)
def test_looking_at_attention_changes_no_result(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    fused = family.observe(batch, frozenset({WORDS}))[WORDS].dense()
    depth = family.shape.layers
    want = {Site(n, i) for n in ("scores", "probs") for i in range(1, depth + 1)} | {WORDS}
    seen = family.observe(batch, frozenset(want))
    torch.testing.assert_close(seen[WORDS].dense()[batch.valid], fused[batch.valid], rtol=1e-4, atol=1e-5)
    size = batch.valid.shape[1]
    for layer in range(1, depth + 1):
        scores, probs = seen[Site("scores", layer)], seen[Site("probs", layer)]
        assert scores.shape == (4, family.shape.heads, size, size)
        torch.testing.assert_close(probs.sum(-1), torch.ones(probs.shape[:-1]))
        seen_by_none = ~(batch.valid | moved_right(batch.valid)) if build in TWO_STACKS else ~batch.valid
        padding = seen_by_none[:, None, None, :].expand_as(scores)
        assert (scores[padding] == MASKED_SCORE).all()
        if build is not bert:
            future = torch.ones(size, size, dtype=torch.bool).triu(1)
            assert (scores[..., future] == MASKED_SCORE).all()


@pytest.mark.parametrize("build", THREE)
def test_probabilities_equal_those_of_eager_attention(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    seen = family.observe(batch, frozenset({Site("probs", 1), Site("probs", 2)}))
    family.module.set_attn_implementation("eager")
    out = family.module(**family.inputs(batch), output_attentions=True)
    eager = out.decoder_attentions if build in TWO_STACKS else out.attentions
    where = batch.valid[:, None, :, None]
    for layer in (1, 2):
        found = seen[Site("probs", layer)]
        torch.testing.assert_close(found * where, eager[layer - 1] * where, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", THREE)
def test_probabilities_are_taken_before_dropout(build):
    family, _ = pair(build, dropout=0.5)
    family.module.train()
    torch.manual_seed(3)
    probs = family.observe(batch_for(build), frozenset({Site("probs", 1)}))[Site("probs", 1)]
    torch.testing.assert_close(probs.sum(-1), torch.ones(probs.shape[:-1]))


@pytest.mark.parametrize("build", ALL)
def test_hidden_states_are_where_the_documentation_says(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    depth = family.shape.layers
    want = frozenset(Site("hidden", i) for i in range(depth + 1)) | {WORDS}
    seen = family.observe(batch, want)
    assert all(seen[Site("hidden", i)].shape == (*batch.valid.shape, 16) for i in range(depth + 1))
    last = seen[Site("hidden", depth)]
    if build is bert:
        torch.testing.assert_close(last, family.module.bert(**family.inputs(batch)).last_hidden_state)
        torch.testing.assert_close(seen[Site("hidden", 0)], family.module.bert.embeddings(batch.tokens))
    else:
        scale = 16**-0.5 if build is t5_tied else 1.0
        entered = family.module.model.decoder.project_out(last) if build is opt_350m else last * scale
        torch.testing.assert_close(seen[WORDS].hidden, entered)
    with pytest.raises(ValueError, match="no site"):
        family.observe(batch, frozenset({Site("hidden", depth + 1)}))


@pytest.mark.parametrize("build", ALL)
def test_hard_loss_is_the_mean_over_predicted_words(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    found = family.observe(batch, frozenset({HARD}))[HARD]
    naive = F.cross_entropy(own_forward(family, batch)[batch.predicted], batch.targets[batch.predicted])
    torch.testing.assert_close(found.mean(), naive, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", THREE)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_micro_batches_do_not_change_the_gradient(build, name):
    student, teacher = pair(build)
    student.module.double()
    teacher.module.double()
    batch = batch_for(build)
    bound = BoundObjective(OBJECTIVES[name], student.shape, [teacher.shape]).double()
    found = []
    for parts in ([batch], batch.split(3)):
        loss = sum(bound.loss(part, student, [teacher], Clock(0, 1)).total for part in parts)
        parameters = [*student.module.parameters(), *bound.parameters()]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        found.append([g for g in gradients if g is not None])
    for whole, split in zip(*found, strict=True):
        torch.testing.assert_close(split, whole, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("build", THREE)
def test_states_of_other_widths_are_drawn_together_by_cka(build):
    student, teacher = pair(build)
    batch = batch_for(build)
    objective = match("hidden", BlockEnds(embedding=True), CKA(), mask="valid")
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    adam = torch.optim.Adam(student.module.parameters(), 3e-3)
    values = []
    for step in range(6):
        loss = bound.loss(batch, student, [teacher], Clock(step, 6)).total
        values.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert all(after < before for before, after in pairwise(values))
