"""What GLMs read: masked text of the corpus, and SuperGLUE tasks as clozes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from retort.data.batches import GLMBatch, collate, collate_cloze
from retort.data.blocklm import GLM_SPANS, POCKET_MIXTURE, BlockMasker
from retort.data.corpus import EncodedCorpus
from retort.data.examples import ClozeExample, GLMExample
from retort.data.samples import DocumentSamples, MaskedSamples, WindowSamples
from retort.data.store import load_examples
from retort.data.superglue.tasks import spec_of
from retort.data.tokenizer import Tokenizer
from retort.evaluation.metrics import baseline
from retort.evaluation.predictions import evaluate, write_predictions
from retort.models.features import Family, Shape
from retort.training.distribution import World
from retort.training.glm_signals import CACHED, CachedTeacher
from retort.training.lessons import Judged, Recall

if TYPE_CHECKING:
    from retort.corpora import Corpus
    from retort.runs import ClozeRun


class BlockSamples:
    """Samples of the corpus, masked as GLM does (see :class:`retort.training.streams.Source`)."""

    def __init__(self, settings: Corpus, text: Path, seed: int) -> None:
        tokenizer = Tokenizer.load(text / "tokenizer.json")
        kind = DocumentSamples if settings.samples == "documents" else WindowSamples
        samples = kind(EncodedCorpus.open(text / "corpus"), tokenizer, settings.max_length, seed)
        masker = BlockMasker(GLM_SPANS if settings.masking == "paper" else POCKET_MIXTURE, tokenizer)
        self._samples = MaskedSamples(samples, masker)

    def example(self, index: int) -> GLMExample | None:
        """The masked sample ``index``; ``None`` where the masking dropped it."""
        return self._samples.example(index)

    def key(self, index: int) -> str:
        """What messages call it."""
        return self._samples.key(index)

    def collate(self, examples: Sequence[GLMExample], keys: Sequence[str]) -> GLMBatch:
        """Padded rows."""
        return collate(examples, keys=keys)


class ClozeLesson:
    """A SuperGLUE task (see :class:`retort.training.lessons.Lesson`)."""

    def __init__(self, run: ClozeRun, text: Path) -> None:
        self.files = tuple(text / f"{split}.npz" for split in ("train", "val"))
        self.recall = Recall(CACHED, self._recalled)
        self._run = run
        self._text = text
        self._length = run.max_length if run.padding == "fixed" else None
        self._mean = spec_of(run.task).length_penalty == 1

    @cached_property
    def train(self) -> list[ClozeExample]:
        """Training examples; who only guesses reads none."""
        return load_examples(self._text, "train")

    @cached_property
    def _dev(self) -> list[ClozeExample]:
        return load_examples(self._text, "val")

    def collate(self, examples: Sequence[ClozeExample]) -> GLMBatch:
        """Padded candidates."""
        return collate_cloze(examples, self._length, self._mean)

    def taught(
        self, examples: Sequence[ClozeExample], step: int, student: Family, signals: Sequence[Path], seed: int
    ) -> Sequence[ClozeExample]:
        """The examples themselves."""
        return examples

    def judge(
        self, student: Family, teachers: Sequence[Family], device: torch.device, world: World
    ) -> Judged:
        """The student's answers on dev."""
        found = evaluate(student, self._run.task, self._dev, device, self._mean, world)
        write = partial(write_predictions, evaluation=found)
        return Judged(found.metrics, found.select, found.report, write)

    def _recalled(self, folder: Path, shape: Shape, device: torch.device) -> CachedTeacher:
        return CachedTeacher(folder / f"{self._run.task}.safetensors", shape, device)

    def probed(self) -> None:
        """GLMD's features are compared in pretraining."""

    def guesses(self) -> dict[str, dict[str, float]]:
        """The most frequent answer."""
        return {"majority": baseline(self._run.task, self._dev)}
