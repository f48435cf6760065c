"""What CKA says about features whose truth is known: computed on fixed numbers by the loss that students are
trained with, so that anyone can check what a small loss does and does not mean.

The numbers are drawn once from numbered streams; nothing here hangs on a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.claims.kinds import Demonstration
from retort.claims.verdicts import Finding, above
from retort.distill.alignment import CKA
from retort.distill.distances import CosineEmbedding
from retort.distill.schedules import Clock

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH = 64


@dataclass(frozen=True)
class Shown:
    """A number, what it is of, and the numbers beside it."""

    value: float
    unit: str
    note: str


def judge_demonstration(test: Demonstration) -> Finding:
    """Compute a number and lay it beside a threshold; it is exact, there is no interval."""
    shown = _DEMONSTRATIONS[test.of]()
    if test.relation == "above":
        verdict = above(shown.value, shown.value, test.threshold)
    else:
        verdict = above(-shown.value, -shown.value, -test.threshold)
    return Finding(verdict, shown.value, unit=shown.unit, note=f"{shown.note}; computed, not run")


def equal_up_to_rotation() -> Shown:
    """Share of samples on which a teacher's word head says of rotated features what it says of its own.

    CKA ignores rotation, scale and place, so its loss is 0; what is built on the features does not.
    """
    import torch

    samples, words = 2048, 64
    theirs, head = _normal(1, samples, _WIDTH), _normal(2, _WIDTH, words)
    rotation, _ = torch.linalg.qr(_normal(3, _WIDTH, _WIDTH))
    ours = 3 * theirs @ rotation + 1
    agree = ((ours @ head).argmax(1) == (theirs @ head).argmax(1)).double().mean().item()
    note = f"loss {cka_loss(ours, theirs):.6f} of features that are rotated, scaled and moved; "
    return Shown(agree, "share", f"{note}n = {samples:,}, {words} words, chance {1 / words:.3f}")


def one_direction() -> Shown:
    """CKA loss of features that share one direction of large variance, and nothing else."""
    samples, scale = 16384, 10.0
    ours, theirs = _normal(4, samples, _WIDTH), _normal(5, samples, _WIDTH)
    ours[:, 0] = theirs[:, 0] = scale * theirs[:, 0]
    rest = cka_loss(ours[:, 1:], theirs[:, 1:])
    explained = _explained(ours, theirs[:, 1:])
    note = f"deviation {scale:g} in the shared direction, 1 in the {_WIDTH - 1} others, n = {samples:,}; "
    note += (
        f"in those the loss is {rest:.2f}, and the student explains {100 * explained:.1f} % of the teacher"
    )
    return Shown(cka_loss(ours, theirs), "loss", note)


def few_samples() -> Shown:
    """Mean CKA loss of features that have nothing in common, with as many tokens as dimensions.

    It should be 1, and tends to it with the number of tokens.
    """
    found = {n: _unrelated(n) for n in (8, _WIDTH, 512, 4096)}
    shown = ", ".join(f"{loss:.2f} with {n:,}" for n, loss in found.items())
    note = f"independent features, {_WIDTH} dimensions, {_TIMES} draws each: mean loss {shown} tokens"
    return Shown(found[_WIDTH], "loss", note)


def mean_of_ratios() -> Shown:
    """Mean CKA loss of micro-batches as a share of the loss of all their tokens together."""
    samples, size = 4096, 128
    theirs = _normal(6, samples, _WIDTH)
    ours = theirs @ _normal(7, _WIDTH, _WIDTH // 2) / _WIDTH**0.5 + _normal(8, samples, _WIDTH // 2)
    parts = [cka_loss(ours[i : i + size], theirs[i : i + size]) for i in range(0, samples, size)]
    mean, whole = sum(parts) / len(parts), cka_loss(ours, theirs)
    note = f"mean of {len(parts)} micro-batches of {size} tokens {mean:.3f}, all {samples:,} {whole:.3f}"
    return Shown(mean / whole, "ratio", f"{note}; {_WIDTH // 2} dimensions beside {_WIDTH}")


def unequal_widths() -> Shown:
    """CKA loss after descending along its gradient, as a share of the loss before, at a quarter of the width.

    The cosine of such features is not defined.
    """
    import torch

    samples, steps = 2048, 200
    theirs = _normal(9, samples, _WIDTH) * torch.logspace(0, -2, _WIDTH, dtype=torch.float64)
    ours = _normal(10, samples, _WIDTH // 4).requires_grad_()
    optimiser = torch.optim.Adam([ours], 0.05)
    before = cka_loss(ours, theirs)
    for _ in range(steps):
        optimiser.zero_grad()
        _loss(ours, theirs).backward()
        optimiser.step()
    note = f"{_WIDTH // 4} dimensions beside {_WIDTH}, n = {samples:,}: {before:.3f} to "
    note += f"{cka_loss(ours, theirs):.3f} in {steps} steps of Adam on the features; "
    note += "the cosine loss refuses them" if _refused(ours, theirs) else "the cosine loss takes them, too"
    return Shown(cka_loss(ours, theirs) / before, "ratio", note)


_TIMES = 20
_DEMONSTRATIONS: dict[str, Callable[[], Shown]] = {
    "equal-up-to-rotation": equal_up_to_rotation,
    "one-direction": one_direction,
    "few-samples": few_samples,
    "mean-of-ratios": mean_of_ratios,
    "unequal-widths": unequal_widths,
}


def cka_loss(ours: Tensor, theirs: Tensor) -> float:
    """The loss as students are trained with it, of tokens [N, D] and [N, D']."""
    return _loss(ours, theirs).item()


def _loss(ours: Tensor, theirs: Tensor) -> Tensor:
    import torch

    where = torch.ones(1, len(ours), dtype=torch.bool)
    return CKA().rows(ours[None], theirs[None], where, Clock(0, 1))[0]


def _unrelated(tokens: int) -> float:
    every = range(100, 100 + 2 * _TIMES, 2)
    losses = [cka_loss(_normal(i, tokens, _WIDTH), _normal(i + 1, tokens, _WIDTH)) for i in every]
    return sum(losses) / _TIMES


def _explained(features: Tensor, targets: Tensor) -> float:
    """Share of the variance of the targets that is linear in the features, corrected for their number."""
    import torch

    x, y = features - features.mean(0), targets - targets.mean(0)
    left = (y - x @ torch.linalg.lstsq(x, y).solution).square().sum() / (len(x) - x.shape[1] - 1)
    return max(0.0, 1 - float(left / (y.square().sum() / (len(x) - 1))))


def _refused(ours: Tensor, theirs: Tensor) -> bool:
    try:
        CosineEmbedding()(ours, theirs)
    except RuntimeError:
        return True
    return False


def _normal(stream: int, *shape: int) -> Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.random.default_rng([20, stream]).normal(size=shape))
