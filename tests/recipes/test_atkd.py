"""Every step of every method and ablation of the ATKD paper, on a tiny causal model."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

import pytest
import torch
from causal_language import CausalFamily, prompts_and_answers, teacher_of

from retort.data.text_batches import TextBatch
from retort.distill.binding import BoundObjective
from retort.distill.decoupled import Decoupled
from retort.distill.distances import KL, ReverseKL
from retort.distill.divergences import GeneralisedJSD
from retort.distill.positions import TokenGroup
from retort.distill.schedules import Clock
from retort.quirks import ATKD_LEDGER, rewrite
from retort.recipes import DATA, Method, Sequences, Step, atkd, atkd_variants
from retort.recipes.atkd_settings import released
from retort.recipes.equations import summands
from retort.recipes.outline import needs, outline
from retort.recipes.wording import compared

NOW = Clock(0, 1)
BY_NAME = {method.name: method for method in atkd.METHODS}
VARIED = tuple(variant.method for variant in atkd_variants.VARIANTS)


@dataclass(frozen=True)
class Sample:
    """A step of a method."""

    name: str
    method: Method
    step: Step


SAMPLES = [
    Sample(f"{method.name}/{number}", method, step)
    for method in (*atkd.METHODS, *VARIED)
    for number, step in enumerate(method.steps)
]
EVERY_STEP = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def losses_of(objective, batches, student, teacher):
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    return list(bound.losses(batches, student, [teacher], NOW))


def outcome(objective, batches):
    """Loss and gradients by parameter."""
    student, teacher = CausalFamily(8, 0), teacher_of()
    total = sum(each.total for each in losses_of(objective, batches, student, teacher))
    found = torch.autograd.grad(total, list(student.module.parameters()))
    return total.detach(), found


def same(found, expected):
    return torch.allclose(found[0], expected[0], rtol=1e-9) and all(
        torch.allclose(a, b, rtol=1e-9, atol=1e-11) for a, b in zip(found[1], expected[1], strict=True)
    )


@EVERY_STEP
def test_every_step_trains(sample):
    total, gradients = outcome(sample.step.objective, [prompts_and_answers()])
    assert torch.isfinite(total) and total > 0
    assert all(torch.isfinite(g).all() for g in gradients) and any(g.any() for g in gradients)


@EVERY_STEP
def test_a_student_equal_to_its_teacher_has_nothing_to_learn_but_labels(sample):
    teacher = teacher_of()
    student = copy.copy(teacher)
    student.module = copy.deepcopy(teacher.module).requires_grad_()
    (losses,) = losses_of(sample.step.objective, [prompts_and_answers()], student, teacher)
    for name, value in losses.parts.items():
        assert name.endswith("hard") or abs(value) < 1e-12, name


PER_MICRO_BATCH = {"Supervised KD + ATKD scope=micro_batch/1"}


@EVERY_STEP
def test_micro_batches_do_not_change_the_gradient_unless_named(sample):
    batch, objective = prompts_and_answers(), sample.step.objective
    whole = outcome(objective, [batch])
    agree = [same(outcome(objective, batch.split(size)), whole) for size in (4, 1)]
    assert all(agree) == (sample.name not in PER_MICRO_BATCH)
    assert objective.together == (sample.name in PER_MICRO_BATCH)


def wider(batch: TextBatch, columns: int) -> TextBatch:
    """The same batch with more padding, and words written on it."""
    lengths = [int(row.sum()) for row in batch.valid]
    prompts = [int(n - p) for n, p in zip(lengths, batch.predicted.sum(1).tolist(), strict=True)]
    again = prompts_and_answers(lengths, prompts)
    pad = torch.nn.functional.pad
    g = torch.Generator().manual_seed(7)
    changes = {}
    for name in ("tokens", "targets"):
        more = pad(getattr(again, name), (0, columns))
        keep = pad(again.valid if name == "tokens" else again.predicted, (0, columns))
        changes[name] = torch.where(keep, more, torch.randint(1, 23, more.shape, generator=g))
    for name in ("attended", "predicted", "valid"):
        changes[name] = pad(getattr(again, name), (0, columns))
    from dataclasses import replace

    return replace(again, **changes)


@EVERY_STEP
def test_padding_changes_nothing(sample):
    batch = prompts_and_answers()
    assert same(outcome(sample.step.objective, [wider(batch, 3)]), outcome(sample.step.objective, [batch]))


EVERY_SWITCH = {q.id: switch for q in ATKD_LEDGER for switch in q.switches if q.id != "tvd-mask"}
RELEASED_SCOPE = {"split-scope": "as_released", "micro-batch-means": "as_released"}


@pytest.mark.parametrize("method", atkd.METHODS, ids=lambda method: method.name)
def test_as_released_one_text_at_a_time_is_a_sequence(method):
    """With one row a micro-batch nothing hangs on how a batch is split: each has its own."""
    objective, batch = rewrite(method, EVERY_SWITCH).steps[-1].objective, prompts_and_answers()
    found = outcome(objective, batch.split(1))
    assert torch.isfinite(found[0]) and all(torch.isfinite(g).all() for g in found[1])
    assert any(mask.scope == "micro_batch" for mask in objective.choices) == objective.needs_teacher


# What the values say

ADAPTIVE = r"0.2 \cdot \langle DKD(w^s, w^t) \rangle_{easy_{50}}^{only} + " + (
    r"0.8 \cdot \langle (TKD + DKD)(w^s, w^t) \rangle_{hard_{50}}^{only}"
)
RIGHT = {
    "SFT": "@",
    "SeqKD": "@",
    "Supervised KD": r"\langle KL(w^s, w^t) \rangle_{predicted}^{only}",
    "Reverse KD": r"\langle RKL(w^s, w^t) \rangle_{predicted}^{only}",
    "f-distill": r"\langle TV(w^s, w^t) \rangle_{predicted}^{only}",
    "GKD": r"\langle JSD_{0.9}(w^s, w^t) \rangle_{predicted}^{only}",
    "Decoupled KD": r"\langle (0.2 \cdot TKD + DKD)(w^s, w^t) \rangle_{predicted}^{only}",
    "Supervised KD + ATKD": ADAPTIVE,
    "GKD + ATKD": ADAPTIVE,
    "Reverse KD + ATKD": ADAPTIVE.replace("TKD", "RTKD").replace("DKD", "RDKD"),
    "ABKD": r"\langle AB_{0.2,0.7}(w^s, w^t) \rangle_{predicted}^{only}",
}


def tex(text):
    text = re.sub(r"(?<![\\a-zA-Z])([a-zA-Z]{2,})", r"\\mathrm{\1}", text)
    return text.replace("@", r"\mathcal{L}_{\mathrm{hard}}")


@pytest.mark.parametrize("name", RIGHT)
def test_equations_are_those_written_by_hand(name):
    assert " + ".join(summands(outline(BY_NAME[name])[-1].objective)) == tex(RIGHT[name])


def test_equations_as_released():
    def last(name):
        return " + ".join(summands(rewrite(BY_NAME[name], EVERY_SWITCH).steps[-1].objective))

    group = r"_{median,all,unended,micro}}^{only}"
    assert last("Supervised KD + ATKD") == tex(
        rf"0.2 \cdot \langle DKD(w^s, w^t) \rangle_{{easy{group} + "
        rf"0.8 \cdot \langle (TKD + DKD)(w^s, w^t) \rangle_{{hard{group}"
    )
    assert last("GKD") == tex(
        r"\langle Jeffreys_{0.9}(w^s, w^t) \rangle_{predicted_{first,unended,micro}}^{only}"
    )
    assert last("ABKD").startswith(r"\langle \mathrm{AB}_{0,1}")


def test_in_a_few_words():
    def last(name, quirks=None):
        return compared(rewrite(BY_NAME[name], quirks or {}).steps[-1].objective)

    assert last("Supervised KD + ATKD") == (
        "words, easy words, 50 % hard: KL of others + words, hard words, 50 % hard: KL of target + others"
    )
    assert last("Decoupled KD") == "words: KL of 0.2 target + others"
    assert last("Reverse KD + ATKD").count("reverse KL of") == 2
    assert last("GKD", {"jsd-name": "as_released"}) == "words: 0.9 KL + 0.1 reverse KL"
    assert "words, predicted, without the last, by micro-batch: KL" in last("Supervised KD", EVERY_SWITCH)


def test_atkd_keeps_the_sequences_of_what_it_is_put_on():
    assert len(atkd.ADAPTIVE) == 5
    for method in atkd.ADAPTIVE:
        plain = BY_NAME[method.name.removesuffix(" + ATKD")]
        assert method.tuned_as == plain.name
        assert method.steps[-1].sequences == plain.steps[-1].sequences
        (first, *_) = plain.steps[-1].objective.terms
        reverse = isinstance(first.by, ReverseKL)
        assert all(term.by.reverse == reverse for term in method.steps[-1].objective.terms)


def test_sequences():
    assert BY_NAME["Supervised KD"].steps[-1].sequences == DATA == Sequences()
    assert BY_NAME["SeqKD"].steps[-1].sequences == Sequences("teacher")
    assert BY_NAME["ImitKD"].steps[-1].sequences == Sequences("student")
    assert BY_NAME["GKD"].steps[-1].sequences == Sequences("student", 0.5, "data")
    assert BY_NAME["f-distill"].steps[-1].sequences == Sequences("student", 0.5, "teacher")
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="share is more than 0 and at most 1"):
            Sequences("student", share)


def test_recipes_have_the_released_settings():
    settings = released()
    easy, hard = BY_NAME["Supervised KD + ATKD"].steps[-1].objective.terms
    assert (easy.weight, hard.weight) == (settings.easy_weight, 1 - settings.easy_weight)
    assert easy.mask.share == hard.mask.share == settings.hard_share
    (decoupled,) = BY_NAME["Decoupled KD"].steps[-1].objective.terms
    assert decoupled.by == Decoupled(settings.target_weight, settings.others_weight)
    (gkd,) = BY_NAME["GKD"].steps[-1].objective.terms
    assert gkd.by == GeneralisedJSD(settings.forward_weight)
    assert BY_NAME["GKD"].steps[-1].sequences.share == settings.student_share
    (supervised,) = BY_NAME["Supervised KD"].steps[-1].objective.terms
    assert supervised.by == KL(settings.temperature)
    assert (settings.learning_rate, settings.adam_eps, settings.epochs) == (2e-5, 1e-8, 3)
    assert settings.schedule == "cosine"


def test_ablations():
    names = [method.name for method in (*atkd.METHODS, *VARIED)]
    assert len(set(names)) == len(names)
    assert all(
        variant.of in BY_NAME and variant.method.tuned_as == variant.of for variant in atkd_variants.VARIANTS
    )
    shares = {v.value: v.method.steps[-1].objective.terms[1].mask for v in atkd_variants.FIGURE5A}
    assert sorted([*shares, 50]) == list(range(10, 100, 10))
    assert all(mask == TokenGroup(share=percent / 100) for percent, mask in shares.items())
    weights = {
        v.value: [t.weight for t in v.method.steps[-1].objective.terms] for v in atkd_variants.FIGURE5B
    }
    assert sorted([*weights, 0.2]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert all(pair == [value, 1 - value] for value, pair in weights.items())


def test_all_are_for_any_causal_model_and_need_nothing_in_common():
    for method in atkd.METHODS:
        assert method.family == "causal" and method.start == "random"
        assert method.steps[0] == atkd.ORIGINAL
        assert not any(needs(step.objective) for step in method.steps)
    assert len(BY_NAME) == len(atkd.METHODS)
