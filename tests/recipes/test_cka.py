"""Every step of every method of the CKA paper, on tiny models of its family."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace

import pytest
import torch

pytest.importorskip("transformers")

from retort.data.text_batches import TextBatch, class_batch, seq2seq_batch, whole_batch  # noqa: E402
from retort.distill.alignment import CKA  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.lenses import Project, SharedProject  # noqa: E402
from retort.distill.objective import in_edited_pass  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.models.features import UNCHANGED, Shape  # noqa: E402
from retort.models.hf.architecture import Slices, TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.models.hf.truncation import truncate  # noqa: E402
from retort.quirks import rewrite  # noqa: E402
from retort.recipes import Method, Step, cka  # noqa: E402
from retort.recipes.equations import summands  # noqa: E402
from retort.recipes.outline import needs, outline  # noqa: E402

NOW = Clock(0, 1)
WORDS = Vocabulary(30, pad=1, bos=0, eos=2, start=2)


@dataclass(frozen=True)
class Sample:
    """A step of a method."""

    name: str
    method: Method
    step: Step

    @property
    def classifies(self):
        return self.method.family == "bert" and self.step.phase == "task"


SAMPLES = [
    Sample(f"{method.name}/{number}", method, step)
    for method in cka.METHODS
    for number, step in enumerate(method.steps)
]
EVERY_STEP = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def model(sample, layers, width, dropout=0.0, seed=0):
    """A model of the sample's family in double precision."""
    torch.manual_seed(seed)
    kind = sample.method.family
    size = TextArchitecture(
        kind, kind, layers, 0 if kind == "bert" else layers, width, 2, 2 * width, 20, dropout
    )
    family = build(size, WORDS, classes=3 if sample.classifies else None)
    family.module.double()
    with torch.no_grad():
        for parameter in family.module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return family


def teacher_for(sample):
    teacher = model(sample, 4, 12, seed=1)
    teacher.module.eval().requires_grad_(False)
    return teacher


def models_for(sample, dropout=0.0):
    """A student of two layers, as narrow as its method allows, and a teacher of four."""
    width = 12 if "equal widths" in needs(sample.step.objective) else 8
    return model(sample, 2, width, dropout), teacher_for(sample)


def texts(seed, lengths):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 30, (n,), generator=g).tolist() for n in lengths]


def batch_of(sample, lengths=(9, 6, 8, 4, 7, 5)):
    rows = texts(0, lengths)
    if sample.classifies:
        return class_batch(rows, None, [i % 3 for i in range(len(rows))], 1)
    if sample.method.family == "bert":
        return whole_batch(rows, 1)
    start = None if sample.method.family == "mbart" else 2
    gold = rows if sample.step.phase == "pretraining" else texts(1, [n - 1 for n in lengths])
    return seq2seq_batch(rows, gold, 1, start)


def bind(objective, student, teacher):
    torch.manual_seed(5)
    return BoundObjective(objective, student.shape, [teacher.shape]).double()


def gradients(bound, student, losses):
    named = {**dict(student.module.named_parameters()), **dict(bound.named_parameters())}
    found = torch.autograd.grad(sum(losses), list(named.values()), allow_unused=True)
    return {name: g for name, g in zip(named, found, strict=True) if g is not None}


@EVERY_STEP
def test_every_step_trains_a_student_cut_out_of_its_teacher(sample):
    student, teacher = models_for(sample)
    truncate(student.module, teacher.module, sample.method.cut)
    bound = bind(sample.step.objective, student, teacher)
    losses = bound.loss(batch_of(sample), student, [teacher], NOW)
    assert torch.isfinite(losses.total) and all(part > 0 for part in losses.parts.values())
    found = gradients(bound, student, [losses.total])
    assert all(torch.isfinite(g).all() for g in found.values())
    assert any(g.any() for g in found.values())
    projected = any(isinstance(step, SharedProject) for t in sample.step.objective.terms for step in t.via)
    assert len(bound.lenses) == projected


ZERO = {"words": 1e-12, "class": 1e-12, "encoder": 1e-6, "hidden": 1e-6}
"""A root of CKA is off by eps over the norms."""


@EVERY_STEP
def test_a_student_equal_to_its_teacher_has_nothing_to_learn_but_labels(sample):
    teacher = teacher_for(sample)
    student = type(teacher)(copy.deepcopy(teacher.module).requires_grad_())
    bound = bind(sample.step.objective, student, teacher)
    for lens in bound.lenses.values():
        with torch.no_grad():
            torch.nn.init.eye_(lens.weight)
            lens.bias.zero_()
    parts = bound.loss(batch_of(sample), student, [teacher], NOW).parts
    for name, value in parts.items():
        site = name.partition("-")[2]
        assert site == "hard" or abs(value) < ZERO[site], name


def wider(batch: TextBatch, columns: int) -> TextBatch:
    """The same batch with more padding, and words written on it."""
    g = torch.Generator().manual_seed(7)

    def padded(tensor, valid):
        more = torch.nn.functional.pad(tensor, (0, columns))
        if more.dtype == torch.bool:
            return more
        keep = torch.nn.functional.pad(valid, (0, columns))
        return torch.where(keep, more, torch.randint(3, 30, more.shape, generator=g))

    changes = {"tokens": padded(batch.tokens, batch.attended), "attended": padded(batch.attended, None)}
    for name in ("targets", "predicted", "valid"):
        changes[name] = padded(getattr(batch, name), batch.valid)
    if batch.decoder_tokens is not None:
        read = torch.cat((torch.ones_like(batch.valid[:, :1]), batch.valid[:, :-1]), 1)
        changes["decoder_tokens"] = padded(batch.decoder_tokens, read)
    return replace(batch, **changes)


@EVERY_STEP
def test_padding_changes_nothing(sample):
    """But with the authors' decoder mask, which gains the position after the longest row's last word."""
    student, teacher = models_for(sample)
    objective = rewrite(sample.method, {"decoder-mask": "fixed"}).steps[int(sample.name[-1])].objective
    bound = bind(objective, student, teacher)
    batch = batch_of(sample)
    plain, other = (bound.loss(b, student, [teacher], NOW).parts for b in (batch, wider(batch, 3)))
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=1e-9, atol=1e-10, msg=name)


PER_MICRO_BATCH = {s.name for s in SAMPLES if any(isinstance(t.by, CKA) for t in s.step.objective.terms)}
"""CKA is a ratio of sums over the tokens of a micro-batch."""


def split_and_whole(sample, objective, size):
    student, teacher = models_for(sample)
    batch, found = batch_of(sample), []
    for parts in ([batch], batch.split(size)):
        bound = bind(objective, student, teacher)
        losses = [each.total for each in bound.losses(parts, student, [teacher], NOW)]
        found.append((sum(losses).detach(), gradients(bound, student, losses)))
    return found


def same(found, tolerance=1e-7):
    (whole, expected), (split, other) = found
    return torch.allclose(whole, split, rtol=tolerance) and all(
        torch.allclose(other[name], g, rtol=tolerance, atol=1e-9) for name, g in expected.items()
    )


@EVERY_STEP
def test_micro_batches_do_not_change_the_gradient_unless_named(sample):
    assert same(split_and_whole(sample, sample.step.objective, 4)) == (sample.name not in PER_MICRO_BATCH)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.name in PER_MICRO_BATCH], ids=lambda s: s.name)
def test_gathered_alignment_is_that_of_the_whole_batch(sample):
    method = rewrite(sample.method, {"cka-micro-batch": "fixed"})
    objective = method.steps[int(sample.name[-1])].objective
    for size in (4, 1):
        assert same(split_and_whole(sample, objective, size))
    student, teacher = models_for(sample)
    part = batch_of(sample).split(4)[0]
    with pytest.raises(ValueError, match=r"gathered from all micro-batches: ask for their losses\(\)"):
        bind(objective, student, teacher).loss(part, student, [teacher], NOW)


def test_both_passes_draw_the_same_dropout():
    (sample,) = (s for s in SAMPLES if s.name == "BART CKA/0")
    student, teacher = models_for(sample, dropout=0.3)
    student.module.train()
    objective = rewrite(sample.method, {"cka-micro-batch": "fixed"}).steps[0].objective
    bound, parts = bind(objective, student, teacher), batch_of(sample).split(2)

    def run(chosen):
        torch.manual_seed(11)
        values = [each.total.item() for each in chosen.losses(parts, student, [teacher], NOW)]
        return values, torch.rand(1).item()

    again, after = run(bound)
    assert run(bound) == (again, after)
    plain = bind(sample.step.objective, student, teacher)
    assert run(plain)[1] == after  # as many draws as without a first pass


def test_gathering_runs_no_head():
    """The first pass looks at hidden states alone: no logit is multiplied out for nothing."""
    (sample,) = (s for s in SAMPLES if s.name == "BART CKA/0")
    student, teacher = models_for(sample)
    objective = rewrite(sample.method, {"cka-micro-batch": "fixed"}).steps[0].objective
    asked = []
    for family in (student, teacher):
        observe = family.observe

        def spied(batch, want, patch=UNCHANGED, observe=observe):
            asked.append({site.name for site in want})
            return observe(batch, want, patch)

        family.observe = spied
    parts = batch_of(sample).split(4)
    assert len(list(bind(objective, student, teacher).losses(parts, student, [teacher], NOW))) == 2
    states = {"encoder", "hidden"}
    assert asked == [states] * 4 + [states | {"words"}, states | {"words", "hard"}] * 2


def test_an_edited_pass_is_never_gathered():
    whole = rewrite(cka.BART[0], {"cka-micro-batch": "fixed"}).steps[0].objective
    with pytest.raises(ValueError, match="a distance of the whole batch cannot be taken of an edited pass"):
        BoundObjective(in_edited_pass(whole), Shape(2, 8, 2, 9), [Shape(2, 8, 2, 9)])


def test_one_projection_serves_embeddings_layers_and_both_stacks():
    (sample,) = (s for s in SAMPLES if s.name == "BART linear/0")
    student, teacher = models_for(sample)
    bound = bind(sample.step.objective, student, teacher)
    (lens,) = bound.lenses.values()
    assert lens.weight.shape == (12, 8) and list(bound.lenses) == ["states-t0|student"]
    bound.loss(batch_of(sample), student, [teacher], NOW).total.backward()
    assert lens.weight.grad.any()
    apart = bind(
        sample.step.objective.each(lambda t: replace(t, via=(Project(),)) if t.via else t), student, teacher
    )
    assert len(apart.lenses) == 2


# What the values say

RIGHT = {
    "BART CKA": r"@ + \langle RKL(w^s, w^t) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} CKA(E^s_i, E^t_{b(i)} \mid valid)"
    r" + \sum_{i=0}^{L} CKA(H^s_i, H^t_{b(i)} \mid shifted)",
    "BART linear cnn": r"@ + 2^2 \cdot \langle KL_{2}(w^s, w^t) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} \langle MSE(\Pi(E^s_i), E^t_{b(i)}) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} \langle MSE(\Pi(H^s_i), H^t_{b(i)}) \rangle_{shifted}^{only}",
    "BART cosine": r"@ + \langle KL(w^s, w^t) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} \langle Cos(E^s_i, E^t_{b(i)}) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} \langle Cos(H^s_i, H^t_{b(i)}) \rangle_{shifted}^{only}",
    "BERT CKA": r"\langle KL(w^s, w^t) \rangle_{valid}^{only}"
    r" + \sum_{i=0}^{L} CKA(H^s_i, H^t_{b(i)} \mid valid)",
    "T5 labels": "@",
}


def tex(text):
    text = re.sub(r"(?<![\\a-zA-Z])(?!ij)([a-zA-Z]{2,})", r"\\mathrm{\1}", text)
    return text.replace("@", r"\mathcal{L}_{\mathrm{hard}}")


@pytest.mark.parametrize("name", RIGHT)
def test_equations_are_those_written_by_hand(name):
    (method,) = (m for m in cka.METHODS if m.name == name)
    assert " + ".join(summands(outline(method)[0].objective)) == tex(RIGHT[name])


def test_only_the_cosine_needs_equal_widths():
    asked = {s.method.name for s in SAMPLES if needs(s.step.objective)}
    assert asked == {"BART cosine", "mBART cosine"}


def test_every_student_is_cut_out_of_a_teacher_of_its_family():
    assert all(isinstance(m.cut, Slices) and m.start == "truncate" for m in cka.METHODS)
    assert {m.family for m in cka.METHODS} == {"bart", "mbart", "t5", "bert"}
    assert len({m.name for m in cka.METHODS}) == len(cka.METHODS)
