"""Small models and batches on which every step of every method of the GLMD paper runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from retort.data.batches import GLMBatch, collate, collate_cloze
from retort.data.examples import ClozeExample, GLMExample
from retort.distill.binding import BoundObjective, Losses
from retort.distill.objective import Objective, Term
from retort.distill.schedules import Clock
from retort.distill.vocabulary import VocabularyMap, build_map
from retort.models.glm import GLM, Bottleneck, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.quirks import rewrite
from retort.recipes import Method, Step, glmd

VOCAB, KEPT, POSITIONS = 60, 32, 20
CLASS_WORDS = (4, 9, 33)
EQUAL_WIDTHS = {"PKD", "DistilBERT", "Theseus", "SID", "MobileBERT", "ALP-KD", "DIITO", "RAIL-KD"}
"""Methods that compare features of one width, unless they have steps for unequal widths."""


CLOCKS = (Clock(0, 10), Clock(5, 10, epoch=1), Clock(9, 10, epoch=2))
"""Early, middle and late: every phase of every schedule for some term."""


@dataclass(frozen=True)
class Sample:
    """A step of a method and where it stands in it."""

    name: str
    method: Method
    step: Step
    unequal: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of batches it can be run on."""
        return ("pretraining",) if self.step.phase == "pretraining" else ("single", "sum", "mean")


def rewritten(sample: Sample, quirks: Mapping[str, str]) -> Objective:
    """The objective of the same step with some quirks switched."""
    method = rewrite(sample.method, quirks)
    steps = (*method.steps, *(method.chain.links if method.chain else ()))
    number = int(sample.name.rpartition("-")[2])
    return (method.unequal if sample.unequal else steps)[number].objective


def _samples() -> list[Sample]:
    found = []
    for method in glmd.METHODS:
        links = method.chain.links if method.chain else ()
        for number, step in enumerate((*method.steps, *links)):
            found.append(Sample(f"{method.name}-{number}", method, step))
        for number, step in enumerate(method.unequal):
            found.append(Sample(f"{method.name}-unequal-{number}", method, step, unequal=True))
    return found


SAMPLES = _samples()


@dataclass(frozen=True)
class Models:
    """A student, its teachers and, with a compressed vocabulary, the map between them."""

    student: GLMFamily
    teachers: tuple[GLMFamily, ...]

    @property
    def vocabulary(self) -> VocabularyMap | None:
        """The student's map."""
        return self.student.vocabulary

    def bind(self, objective: Objective, seed: int = 1) -> BoundObjective:
        """The objective for these models, its lenses drawn from a seed."""
        torch.manual_seed(seed)
        kept = None if self.vocabulary is None else self.vocabulary.kept_ids
        shapes = [teacher.shape for teacher in self.teachers]
        return BoundObjective(objective, self.student.shape, shapes, kept).double()

    def losses(self, bound: BoundObjective, batch: GLMBatch, clock: Clock) -> Losses:
        """The losses of a micro-batch."""
        return bound.loss(batch, self.student, self.teachers, clock)


def family(config: GLMConfig, vocabulary: VocabularyMap | None = None) -> GLMFamily:
    """A model in double precision with random parameters, biases and LayerNorms included."""
    model = GLM(config).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layernorm" in name or name.endswith("bias"):
                parameter += 0.1 * torch.randn_like(parameter)
    return GLMFamily(model, vocabulary)


def size(sample: Sample, layers: int, width: int) -> GLMConfig:
    """A configuration with the embeddings and blocks that the method's models have."""
    config = GLMConfig(layers, width, 2, VOCAB, POSITIONS, dropout=0.0, init_std=0.2)
    if sample.method.name == "MobileBERT":
        return replace(config, trigram=width // 2, bottleneck=Bottleneck(width // 2, 2))
    return config


def student_size(sample: Sample, layers: int, width: int) -> GLMConfig:
    """The same for the student."""
    config = size(sample, layers, width)
    if sample.method.embedding == "factorised":
        return replace(config, factorised=width // 2)
    return replace(config, trigram=width // 2) if sample.method.embedding == "trigram" else config


def teachers_of(sample: Sample) -> int:
    """How many teachers the step takes here: two where there may be several, and RL-KD's encoder."""
    several = sample.method.several or (sample.method.chain is not None and sample.method.chain.dense)
    return (1 + several + sample.step.encoder) * sample.step.objective.needs_teacher


def models_for(sample: Sample) -> Models:
    """A student of three layers and as many teachers of four as the step takes."""
    torch.manual_seed(0)
    teachers = tuple(frozen(family(size(sample, 4, 24))) for _ in range(teachers_of(sample)))
    width = 24 if sample.method.name in EQUAL_WIDTHS and not sample.unequal else 16
    config, vocabulary = student_size(sample, 3, width), None
    if sample.method.compression is not None:
        table = family(size(sample, 1, 24)).module.word_embeddings.weight.detach()
        vocabulary = build_map(torch.randperm(VOCAB), KEPT, table, "inner_product", 1)
        config = replace(config, vocab=KEPT)
    return Models(family(config, vocabulary), teachers)


def frozen(teacher: GLMFamily) -> GLMFamily:
    """The same model as a teacher."""
    teacher.module.eval().requires_grad_(False)
    return teacher


def example(generator: torch.Generator, answer: int) -> GLMExample:
    """A sequence of random words with an answer of so many."""
    sep = int(torch.randint(2, 6, (), generator=generator))
    tokens = torch.randint(1, VOCAB, (sep + answer,), generator=generator).numpy().astype(np.int32)
    index = np.arange(sep + answer)
    positions = np.stack([np.minimum(index, sep - 1), np.maximum(0, index - sep + 1)]).astype(np.int32)
    predicted = index >= sep
    return GLMExample(tokens, positions, sep, np.where(predicted, np.roll(tokens, -1), 0), predicted)


def batch_of(kind: str, rows: int, seed: int = 0) -> GLMBatch:
    """Random rows (examples) of different lengths.

    ``kind`` is ``pretraining``, or tells how a task scores its answers: ``single`` word, ``sum`` or
    ``mean`` over the words of as many candidates as each example happens to have.
    """
    g = torch.Generator().manual_seed(seed)
    if kind == "pretraining":
        return collate([example(g, int(torch.randint(1, 6, (), generator=g))) for _ in range(rows)])
    if kind == "single":
        return collate_cloze(
            [ClozeExample(str(i), (example(g, 1),), i % len(CLASS_WORDS), CLASS_WORDS) for i in range(rows)]
        )
    counts = [1 + int(torch.randint(0, 3, (), generator=g)) for _ in range(rows)]
    examples = [
        ClozeExample(str(i), tuple(example(g, 1 + (i + c) % 4) for c in range(n)), n - 1, None)
        for i, n in enumerate(counts)
    ]
    return collate_cloze(examples, mean_over_tokens=kind == "mean")


def parts_over_time(
    models: Models, bound: BoundObjective, batch: GLMBatch, clocks: tuple[Clock, ...] = CLOCKS
) -> dict[str, list[torch.Tensor]]:
    """The values of each term, those of silent moments left out."""
    found: dict[str, list[torch.Tensor]] = {}
    for clock in clocks:
        for name, value in models.losses(bound, batch, clock).parts.items():
            found.setdefault(name, []).append(value.detach())
    return found


def awake(models: Models, terms: tuple[Term, ...]) -> list[Clock]:
    """The clocks at which any of the terms has weight."""
    if not terms:
        return []
    bound = models.bind(Objective(terms))
    return [clock for clock in CLOCKS if bound.student_sites(clock)]


def outcome(
    models: Models, objective: Objective, batches: list[GLMBatch], clock: Clock
) -> dict[str, torch.Tensor]:
    """Loss of a global batch and its gradients by parameter, from an objective with fresh lenses.

    Parameters that get no gradient are left out.
    """
    bound = models.bind(objective)
    named = {f"student.{name}": p for name, p in models.student.module.named_parameters()}
    named |= {f"objective.{name}": p for name, p in bound.named_parameters()}
    for parameter in named.values():
        parameter.grad = None
    loss = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        share = models.losses(bound, batch, clock).total
        share.backward()
        loss += share.detach()
    return {"loss": loss} | {name: p.grad for name, p in named.items() if p.grad is not None}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float) -> None:
    """Equal tensors by name."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            found[name], tensor, rtol=tolerance, atol=tolerance, msg=lambda m, name=name: f"{name}: {m}"
        )
