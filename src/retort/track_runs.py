"""The runs of a track's stages: its configured optimisers, lengths and batches as frozen values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from retort.config.sections import Optimiser as OptimiserSection
from retort.config.sections import PretrainingRun
from retort.config.texts import TextTask, Track
from retort.corpora import TextCorpus
from retort.errors import InputError
from retort.evaluation.decoding import Decoding, Sampling
from retort.recipes import Sequences
from retort.recipes.registry import RECIPES
from retort.runs import (
    ClassRun,
    LensOptimiser,
    Muon,
    Optimiser,
    PairRun,
    Pretraining,
    PromptRun,
    TaskRun,
)
from retort.texts import INSTRUCTIONS, text_part

if TYPE_CHECKING:
    from retort.data.text_samples import Noise


@dataclass(frozen=True)
class TrackRuns:
    """How long, on what and with which rates the models of a track are trained.

    Attributes:
        paper, name: of the track; ``track``: its section.
        text: folder of encoded text by part (see :attr:`retort.plan.Plan.text`).
    """

    paper: str
    name: str
    track: Track
    text: Mapping[str, str]

    def pretraining(
        self,
        settings: PretrainingRun | None,
        noise: Noise,
        method: str | None = None,
    ) -> Pretraining:
        """A run on the corpus.

        Args:
            settings: steps, batches and optimiser; ``noise``: what is restored.
            method: of a student, whose script's rate and decay it takes.
        """
        assert settings is not None
        corpus = TextCorpus(self.track.family, self.track.pretraining.length, noise)
        optimiser = optimiser_of(settings.optimiser, settings.optimiser.learning_rate)
        if method is not None:
            optimiser = self._released(optimiser, method, "pretraining", None)
        micro = math.gcd(settings.batch_size, settings.micro_batch_size)
        return Pretraining(optimiser, corpus, settings.steps, settings.batch_size, micro)

    def run(
        self,
        task: str,
        method: str | None,
        role: Literal["teacher", "student"],
        sequences: Sequences,
        share: Fraction = Fraction(1),
    ) -> TaskRun:
        """A run on one task.

        Args:
            method: of a student, whose script's rate and decay it takes; ``None``: a teacher's.
            role: whose rate and passes; ``sequences``: whose answers are learned.
            share: of the passes, rounded up.

        Raises:
            InputError: that leaves none out.
        """
        training = self.track.task_training
        optimiser = optimiser_of(training.optimiser, getattr(training.learning_rate, role))
        if method is not None:
            optimiser = self._released(optimiser, method, "task", task)
        common: dict[str, Any] = {
            "task": task,
            "text": self.text[text_part(self.paper, self.name, task)],
            "optimiser": optimiser,
            "epochs": self._epochs(role, share),
            "batch_size": training.batch_size,
            "micro_batch_size": training.micro_batch_size,
            "padding": training.padding,
            "evaluations": training.evaluations,
            "family": self.track.family,
        }
        if task == INSTRUCTIONS:
            return PromptRun(**common, **_prompts(self.track), sequences=sequences)
        settings = self.track.tasks[task]
        if settings.target is None:
            return ClassRun(**common, source=settings.source)
        decoding = decoding_of(settings)
        return PairRun(**common, source=settings.source, target=settings.target, decoding=decoding)

    def _epochs(self, role: Literal["teacher", "student"], share: Fraction) -> int:
        whole: int = getattr(self.track.task_training.epochs, role)
        found = math.ceil(whole * share)
        if share < 1 and found == whole:
            raise InputError(
                f"{self.paper}.tracks.{self.name}.task_training.epochs.{role}: is {whole}, of which {share} "
                "is to be taken; give two or more, or leave methods with an early-stopped teacher out"
            )
        return found

    def _released(
        self, optimiser: Optimiser, method: str, stage: Literal["pretraining", "task"], task: str | None
    ) -> Optimiser:
        """Rate and decay of a method's script: the rate in proportion to that of the track's first method.

        Methods that no script trains there, and those under one recipe, take the track's own.
        """
        recipes = RECIPES[self.paper]
        first = min(self.track.methods, key=[known.name for known in recipes.methods].index)
        ours, reference = (recipes.rates(name, stage, task) for name in (method, first))
        if ours is None or reference is None:
            return optimiser
        scale = optimiser.learning_rate / (reference.learning_rate or _UNSTATED)
        rate = scale * (ours.learning_rate or _UNSTATED)
        lenses = None
        if ours.projection_rate is not None:
            lenses = LensOptimiser(scale * ours.projection_rate, ours.projection_decay or 0.0)
        return replace(
            optimiser,
            learning_rate=float(f"{rate:.6g}"),
            weight_decay=ours.weight_decay,
            schedule=ours.schedule,
            lenses=lenses,
        )


_UNSTATED = 3e-5
"""Rate of scripts that take it as an argument: that of most others."""


def optimiser_of(section: OptimiserSection, rate: float) -> Optimiser:
    """A configured optimiser as a frozen value."""
    values = section.model_dump() | {"learning_rate": rate}
    muon = values.pop("muon", None)
    values["betas"] = tuple(values["betas"])
    return Optimiser(**values, muon=None if muon is None else Muon(**muon))


def decoding_of(task: TextTask) -> Decoding:
    """How a task's texts are generated."""
    assert task.decoding is not None
    return Decoding(**task.decoding.model_dump())


def _prompts(track: Track) -> dict[str, Any]:
    """What of a track's instructions its runs hold."""
    settings = track.instructions
    assert settings is not None
    drawn = settings.sampling
    return {
        "train": settings.train,
        "sets": settings.sets,
        "longest": settings.length,
        "learn_end": settings.learn_end,
        "sampling": Sampling(settings.new_tokens, drawn.temperature, drawn.top_p),
        "drawn": drawn.seed,
    }
