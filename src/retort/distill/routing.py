"""Which teacher suits an example, by the student's uncertainty (dynamic KD, Li et al., 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from retort.lazy import functional as F
from retort.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def normalised_entropy(scores: Tensor) -> Tensor:
    """Entropy of softmax(scores [E, C]) as a share of its largest value, [E]."""
    log_p = F.log_softmax(scores, -1)
    return -(log_p.exp() * log_p).sum(-1) / math.log(scores.shape[-1])


def hard_route(uncertainty: Tensor, teachers: int) -> Tensor:
    """[N, E] of 0 and 1: the most uncertain of the examples [E] to teacher 0, the surest to teacher N - 1.

    The r-th most uncertain of E examples falls into bin ceil(r N / E); equal ones keep their order.
    """
    examples = len(uncertainty)
    rank = torch.empty(examples, dtype=torch.long, device=uncertainty.device)
    rank[uncertainty.argsort(descending=True, stable=True)] = torch.arange(
        1, examples + 1, device=rank.device
    )
    chosen = (rank * teachers - 1) // examples
    return F.one_hot(chosen, teachers).T.to(uncertainty.dtype)


def soft_route(uncertainty: Tensor, teachers: int) -> Tensor:
    """[N, E] weights that sum to 1 over teachers and grow, the surer, the more, towards the largest."""
    if teachers == 1:
        return torch.ones_like(uncertainty)[None]
    place = torch.arange(teachers, device=uncertainty.device, dtype=uncertainty.dtype)[:, None] / (
        teachers - 1
    )
    weights = (1 - 2 * uncertainty) * place + uncertainty
    return weights / weights.sum(0)
