"""Tiny students and teachers, and batches for them."""

import numpy as np
import torch

from retort.data.batches import collate, collate_cloze
from retort.data.examples import ClozeExample, GLMExample
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily

SEVERAL = {"TMKD", "MT-BERT", "RL-KD", "Uncertainty", "DGKD"}
EQUAL_WIDTHS = {"PKD", "DistilBERT", "Theseus", "SID", "MobileBERT", "ALP-KD", "DIITO", "RAIL-KD"}


def family(layers, width, seed):
    torch.manual_seed(seed)
    return GLMFamily(GLM(GLMConfig(layers, width, 4, 60, 30, 0.0)).double())


def example(generator, answer):
    sep = int(torch.randint(4, 9, (), generator=generator))
    length = sep + answer
    tokens = torch.randint(1, 60, (length,), generator=generator).numpy().astype(np.int32)
    predicted = np.arange(length) >= sep
    positions = np.stack([np.arange(length), np.maximum(0, np.arange(length) - sep + 1)]).astype(np.int32)
    return GLMExample(tokens, positions, sep, np.where(predicted, tokens, 0).astype(np.int32), predicted)


def batch_for(phase):
    g = torch.Generator().manual_seed(2)
    if phase == "pretraining":
        return collate([example(g, n) for n in (3, 1, 4, 2)])
    cloze = [ClozeExample(f"x/{i}", tuple(example(g, 1 + c) for c in range(3)), i, None) for i in range(3)]
    return collate_cloze(cloze)


def models_for(name, kind, step, layers):
    """A student of so many layers and the teachers of the step."""
    equal = name in EQUAL_WIDTHS and not kind
    student = family(layers, 96 if equal else 64, 0)
    number = 2 * (name in SEVERAL) + step.encoder or 1
    teachers = [family(3, 96, seed + 1) for seed in range(number)]
    for teacher in teachers:
        teacher.module.eval().requires_grad_(requires_grad=False)
    return student, teachers if step.objective.needs_teacher else []
