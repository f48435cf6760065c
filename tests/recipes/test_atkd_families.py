"""ATKD's objectives on tiny OPT, GPT-NeoX and LLaMA models, whose heads differ."""

from __future__ import annotations

import pytest
import torch
from causal_language import prompts_and_answers

pytest.importorskip("transformers")

from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.recipes import atkd  # noqa: E402

NOW = Clock(0, 1)
WORDS = Vocabulary(23, pad=0, bos=1, eos=1)
OBJECTIVES = {
    method.name: method.steps[-1].objective
    for method in (
        atkd.SUPERVISED,
        atkd.REVERSE,
        atkd.F_DISTILL,
        atkd.GKD,
        *atkd.ADAPTIVE[:2],
        atkd.DECOUPLED,
    )
}


def model(kind, layers, width, seed, word_width=None):
    torch.manual_seed(seed)
    size = TextArchitecture(
        kind, kind, 0, layers, width, 2, 2 * width, 32, 0.0, tied=kind == "opt", word_width=word_width
    )
    family = build(size, WORDS)
    family.module.double()
    with torch.no_grad():
        for parameter in family.module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return family


def outcome(objective, batches, kind, word_width=None):
    student, teacher = model(kind, 1, 8, 0, word_width), model(kind, 2, 12, 1)
    teacher.module.eval().requires_grad_(False)
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    losses = [each.total for each in bound.losses(batches, student, [teacher], NOW)]
    named = dict(student.module.named_parameters())
    found = torch.autograd.grad(sum(losses), list(named.values()), allow_unused=True)
    return sum(losses).detach(), {name: g for name, g in zip(named, found, strict=True) if g is not None}


@pytest.mark.parametrize(
    ("kind", "word_width"), [("opt", None), ("opt", 6), ("gpt_neox", None), ("llama", None)]
)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_family_learns_the_same_however_a_batch_is_split(kind, word_width, name):
    batch = prompts_and_answers()
    loss, gradients = outcome(OBJECTIVES[name], [batch], kind, word_width)
    assert torch.isfinite(loss) and loss > 0
    assert any(g.any() for name, g in gradients.items() if "embed" in name)
    other, others = outcome(OBJECTIVES[name], batch.split(4), kind, word_width)
    torch.testing.assert_close(other, loss, rtol=1e-9, atol=1e-12)
    assert others.keys() == gradients.keys()
    for parameter, g in gradients.items():
        torch.testing.assert_close(others[parameter], g, rtol=1e-8, atol=1e-11, msg=parameter)
