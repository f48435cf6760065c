"""The training loop: one student, at most one source of teacher features, one objective.

The loop knows no method. Everything that changes over time is a function of the clock, and
batches are a function of the step, so a run that is killed and resumed ends with the same bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from retort.distill.binding import BoundObjective, Losses
from retort.distill.schedules import Clock
from retort.errors import RetortError
from retort.models.features import Family
from retort.runs import Optimiser
from retort.training import interruption
from retort.training.checkpoints import Scratch
from retort.training.distribution import ALONE, World
from retort.training.optimisers import build, learning_rate_factor


@dataclass(frozen=True)
class StepReport:
    """What one update did.

    Attributes:
        step: updates finished, this one included.
        loss: of the global batch; ``parts``: the same by term.
        learning_rate: as a share of its peak; ``gradient_norm``: before clipping.
        tokens: positions trained on, padding left out; ``seconds``: wall time.
        parted: where the objective parts words by what the teacher is unsure of: how many were easy, how many
            hard, and the mean threshold between them; else ``None``.
    """

    step: int
    loss: float
    parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    parted: tuple[float, float, float] | None = None


class Trainer:
    """A student, what it learns from, and the state of its optimisation.

    Args:
        student: trained, with the objective's lenses.
        teachers: anything that observes batches; never trained, must be in evaluation mode.
        objective: bound to both.
        settings: optimiser and learning-rate curve.
        total: updates of the whole run.
        seed: of whatever the objective draws at random.
        autocast: dtype of matrix products, ``None`` for the parameters' own.
        world: the processes that train; student and teachers are placed by it.
    """

    def __init__(
        self,
        student: Family,
        teachers: Sequence[Family],
        objective: BoundObjective,
        settings: Optimiser,
        total: int,
        seed: int = 0,
        autocast: torch.dtype | None = None,
        world: World = ALONE,
    ) -> None:
        self.student = student
        self.teachers = tuple(teachers)
        self.objective = objective
        self.settings = settings
        self.total = total
        self.seed = seed
        self.autocast = autocast
        self.world = world
        self.step = 0
        own, lenses = list(student.module.named_parameters()), list(objective.named_parameters())
        named = [*own, *lenses]
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.optimisers = build(settings, own, lenses)
        student.module.train()
        world.join(objective, settings, seed)

    def update(self, batches: Sequence[Any], epoch: int = 0) -> StepReport:
        """One optimiser update on this process's micro-batches of a global batch.

        Raises:
            RetortError: loss or gradient is not finite; no parameter has been changed by this step.
        """
        started = time.perf_counter()
        clock = Clock(self.step, self.total, epoch, self.seed)
        sums: dict[str, float] = {}
        loss, parted = 0.0, [0.0] * _PARTED
        shares = self.objective.losses(batches, self.student, self.teachers, clock)
        for batch in batches:
            losses = self._forward(shares, batch.valid.device.type)
            losses.total.backward()
            value = losses.total.item()
            if not math.isfinite(value):
                raise RetortError(_not_finite(self.step, losses.parts, batch))
            loss += value
            for name, part in losses.parts.items():
                sums[name] = sums.get(name, 0.0) + part.item()
            if losses.parted is not None:
                parted = [old + new for old, new in zip(parted, losses.parted.tolist(), strict=True)]
        tokens = sum(int(batch.valid.sum()) for batch in batches if not batch.totals.idle)
        loss, counted, *parts = self.world.total([loss, tokens, *parted, *sums.values()])
        parted, sums = parts[:_PARTED], dict(zip(sums, parts[_PARTED:], strict=True))
        norm = self._clip(batches)
        factor = learning_rate_factor(self.settings, self.step, self.total)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = factor * group["peak"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        seconds = time.perf_counter() - started
        groups = _groups(*parted)
        return StepReport(self.step, loss, sums, factor, float(norm), int(counted), seconds, groups)

    def _clip(self, batches: Sequence[Any]) -> torch.Tensor:
        """Clip the gradient; its norm before that. One that is not finite would spread to every weight."""
        norm = self.world.gradient_norm(self.parameters)
        if not math.isfinite(norm):
            named = zip(self.names, self.parameters, strict=True)
            broken = [
                n for n, p in named if p.grad is not None and not self.world.part(p.grad).isfinite().all()
            ]
            raise RetortError(_no_gradient(self.step, broken, batches))
        if self.settings.clip_norm is not None:
            self.world.clip(self.parameters, self.settings.clip_norm, norm)
        return norm

    def _forward(self, shares: Iterator[Losses], kind: str) -> Losses:
        """The next micro-batch's share of the loss."""
        assert not any(teacher.module.training for teacher in self.teachers)
        with torch.autocast(kind, dtype=self.autocast, enabled=self.autocast is not None):
            return next(shares)

    def state(self) -> dict[str, Any]:
        """Everything that a bit-exact continuation needs."""
        return {
            "student": self.student.module.state_dict(),
            "lenses": self.objective.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "random": _random_state(self.parameters[0].device),
            "step": self.step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.student.module.load_state_dict(state["student"])
        self.objective.load_state_dict(state["lenses"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        _set_random_state(state["random"], self.parameters[0].device)
        self.step = state["step"]


def run(
    trainer: Trainer,
    batches: Callable[[int], Sequence[Any]],
    after: Callable[[StepReport], None],
    scratch: Scratch,
    epoch_of: Callable[[int], int] = lambda step: 0,
    extra: Callable[[], dict[str, Any]] = dict,
) -> None:
    """Train from wherever ``trainer`` stands to its last update.

    Args:
        trainer: fresh or restored.
        batches: the micro-batches of the update after so many finished ones.
        after: called after each update (logging, evaluation).
        scratch: where the state is saved from time to time, and when the job is asked to stop.
        epoch_of: finished passes over the data by finished updates.
        extra: the caller's own state, saved with the trainer's.

    Raises:
        Interrupted: the job was asked to stop; the state is saved.
    """
    while trainer.step < trainer.total:
        report = trainer.update(batches(trainer.step), epoch_of(trainer.step))
        after(report)
        due, asked = trainer.world.agree((scratch.due(), interruption.asked()))
        if (due or asked) and trainer.step < trainer.total:
            scratch.save(trainer.step, trainer.state() | {"extra": extra()})
            if asked:
                raise interruption.stopped(
                    f"after update {trainer.step} of {trainer.total}, the state is saved"
                )


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Of the generators that dropout draws from: the CPU's and, where one is used, the GPU's."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


_PARTED = 3
"""Sums that say how words were parted."""


def _groups(easy: float, hard: float, thresholds: float) -> tuple[float, float, float] | None:
    """Easy and hard words and the mean threshold; ``None`` where no word was parted."""
    words = easy + hard
    return (easy, hard, thresholds / words) if words else None


_KEYS_NAMED = 8
_REMEDY = "lower the learning rate or look at these examples; nothing was published"


def _not_finite(step: int, parts: Mapping[str, torch.Tensor], batch: Any) -> str:
    broken = [name for name, value in parts.items() if not math.isfinite(value.item())] or ["their sum"]
    return (
        f"update {step}: the loss is not finite (term {', '.join(broken)}; {_examples([batch])}): {_REMEDY}"
    )


def _no_gradient(step: int, broken: Sequence[str], batches: Sequence[Any]) -> str:
    where = f"{len(broken)} parameters, first {broken[0]}" if broken else "its norm overflows"
    return (
        f"update {step}: the loss is finite, its gradient is not ({where}; {_examples(batches)}): {_REMEDY}"
    )


def _examples(batches: Sequence[Any]) -> str:
    keys = [key for batch in batches for key in batch.keys]
    more = f" and {len(keys) - _KEYS_NAMED} more" if len(keys) > _KEYS_NAMED else ""
    return f"examples {', '.join(keys[:_KEYS_NAMED])}{more}"
