"""Losses on given features, and by hand."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from retort.distill.binding import BoundObjective, Seen
from retort.distill.schedules import Clock
from retort.models.features import Features, Shape, Totals

START = Clock(0, 10)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def features(values, valid=None, predicted=None, rows=3):
    ones = torch.ones(rows, 1, dtype=torch.bool)
    valid = ones if valid is None else valid
    predicted = valid if predicted is None else predicted
    return Features(values, valid, predicted, torch.arange(len(valid)))


def loss_of(objective, student, teachers, shapes):
    """The loss and its parts on given features."""
    bound = BoundObjective(objective, shapes[0], shapes[1:]).double()
    mask = student.valid, student.predicted
    totals = Totals(len(mask[0]), len(mask[0]), int(mask[0].sum()), int(mask[1].sum()))
    return bound.compare(Seen(student, tuple(teachers)), None, START, totals)


def kl(student, teacher, temperature=1.0):
    """T^2 KL of each row of logits."""
    p, q = (F.softmax(x / temperature, -1) for x in (teacher, student))
    return temperature**2 * (p * (p / q).log()).sum(-1)


def cross_entropy(student, teacher, temperature=1.0):
    return -(F.softmax(teacher / temperature, -1) * F.softmax(student / temperature, -1).log()).sum(-1)


SHAPE = Shape(3, 8, 2, 7)
