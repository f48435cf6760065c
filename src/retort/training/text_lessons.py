"""What transformers models read: corpora, GLUE tasks, and texts to be summarised or translated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from retort.data.corpus import EncodedCorpus
from retort.data.glue.tasks import spec_of as glue_spec
from retort.data.layouts import Layout, layout_of
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.data.text_batches import TextBatch, causal_batch, masked_batch, seq2seq_batch
from retort.data.text_examples import ClassExample, PairExample, load_classes, load_pairs
from retort.data.text_samples import TextSample, TextSamples
from retort.data.text_sets import batch_of_classes, batch_of_pairs
from retort.data.text_tokenizer import TextTokenizer
from retort.evaluation.glue_metrics import score_glue
from retort.evaluation.text_metrics import score_texts
from retort.evaluation.text_predictions import evaluate_classes, evaluate_pairs, write_classes, write_texts
from retort.evaluation.validation_losses import validation_losses
from retort.models.features import Family
from retort.training.distribution import World
from retort.training.lessons import Judged
from retort.training.probes import CLASS_VIEW, PROBE_ROWS, TEXT_VIEW, View

if TYPE_CHECKING:
    from retort.corpora import TextCorpus
    from retort.runs import ClassRun, PairRun

_ROWS_AT_ONCE = 64
"""Of validation batches."""


class CorpusSamples:
    """Samples of one corpus, or of one a language (see :class:`retort.training.streams.Source`)."""

    def __init__(self, settings: TextCorpus, text: Path, seed: int) -> None:
        tokenizer = TextTokenizer.load(text / "tokenizer.json")
        folders = sorted(path for path in (text / "corpus").iterdir() if path.is_dir())
        corpora = [EncodedCorpus.open(folder) for folder in folders]
        layouts = [layout_of(settings.family, tokenizer, path.name, path.name) for path in folders]
        self._samples = TextSamples(corpora, layouts, settings.length, seed, settings.noise)
        self._layout = layouts[0]
        starts = {layout.start for layout in layouts}
        # Where decoders start with the code of a language, each row starts with the last of its own labels.
        self._start = starts.pop() if len(starts) == 1 else None

    def example(self, index: int) -> TextSample:
        """Sample ``index``."""
        return self._samples.example(index)

    def key(self, index: int) -> str:
        """What messages call it."""
        return f"corpus (sample {index})"

    def collate(self, examples: Sequence[TextSample], keys: Sequence[str]) -> TextBatch:
        """Padded rows."""
        tokens, targets = [e.tokens.tolist() for e in examples], [e.target.tolist() for e in examples]
        pad = self._layout.pad
        if self._layout.causal:
            batch = causal_batch(tokens, [0] * len(tokens), pad)
        elif self._layout.start is None:
            batch = masked_batch(tokens, targets, [e.predicted.tolist() for e in examples], pad)
        else:
            batch = seq2seq_batch(tokens, targets, pad, self._start)
        return replace(batch, keys=tuple(keys))


class ClassLesson:
    """A GLUE task (see :class:`retort.training.lessons.Lesson`)."""

    recall = None

    def __init__(self, run: ClassRun, corpus: Path, text: Path) -> None:
        self._run = run
        splits = [split for split in glue_spec(run.task).splits if split != "train"]
        self.train = load_classes(text, "train")
        self.files = tuple(text / f"{split}.npz" for split in ("train", *splits))
        self._dev = {split: load_classes(text, split) for split in splits}
        self._layout = layout_of(run.family, TextTokenizer.load(corpus / "tokenizer.json"))

    def collate(self, examples: Sequence[ClassExample]) -> TextBatch:
        """Padded sentences or pairs of them; token types tell nothing, as in the authors' scripts."""
        length = self._run.source if self._run.padding == "fixed" else None
        return batch_of_classes(examples, self._layout, segments=False, length=length)

    def taught(
        self, examples: Sequence[ClassExample], step: int, student: Family, signals: Sequence[Path], seed: int
    ) -> Sequence[ClassExample]:
        """The examples themselves."""
        return examples

    def judge(
        self, student: Family, teachers: Sequence[Family], device: torch.device, world: World
    ) -> Judged:
        """The student's classes on dev."""
        found = evaluate_classes(student, self._run.task, self._dev, self._layout, device, segments=False)
        write = partial(write_classes, evaluation=found, splits=self._dev)
        return Judged(found.metrics, found.select, found.report, write)

    def probed(self) -> tuple[View, TextBatch]:
        """The first examples of dev."""
        return CLASS_VIEW, self.collate(self._dev["val"][:PROBE_ROWS])

    def guesses(self) -> dict[str, dict[str, float]]:
        """The most frequent class; of scores the mean."""
        labels = {split: [example.label for example in examples] for split, examples in self._dev.items()}
        seen = [example.label for example in self.train]
        regression = not glue_spec(self._run.task).labels
        guess = fmean(seen) if regression else max(sorted(set(seen)), key=seen.count)
        answers = {split: [guess] * len(found) for split, found in labels.items()}
        return {"majority": score_glue(self._run.task, answers, labels)}


class PairLesson:
    """A summarisation or translation set (see :class:`retort.training.lessons.Lesson`)."""

    recall = None

    def __init__(self, run: PairRun, corpus: Path, text: Path) -> None:
        self._run = run
        self.files = tuple(text / f"{split}.npz" for split in ("train", "val"))
        self._text = text
        self._tokenizer = TextTokenizer.load(corpus / "tokenizer.json")
        self._layout: Layout = layout_of(run.family, self._tokenizer, *pairs_spec(run.task).languages)

    @cached_property
    def train(self) -> list[PairExample]:
        """Training examples; who only guesses reads none."""
        return load_pairs(self._text, "train")

    @cached_property
    def _dev(self) -> list[PairExample]:
        return load_pairs(self._text, "val")

    def collate(self, examples: Sequence[PairExample]) -> TextBatch:
        """Padded sources and targets."""
        fixed = self._run.padding == "fixed"
        lengths = (self._run.source, self._run.target) if fixed else (None, None)
        return batch_of_pairs(examples, self._layout, lengths)

    def taught(
        self, examples: Sequence[PairExample], step: int, student: Family, signals: Sequence[Path], seed: int
    ) -> Sequence[PairExample]:
        """The examples themselves."""
        return examples

    def judge(
        self, student: Family, teachers: Sequence[Family], device: torch.device, world: World
    ) -> Judged:
        """The student's texts on dev, and its losses there, as the authors log them."""
        run = self._run
        found = evaluate_pairs(
            student.module, run.task, self._dev, self._layout, self._tokenizer, run.decoding, device
        )
        batches = (
            self.collate(self._dev[first : first + _ROWS_AT_ONCE]).to(device)
            for first in range(0, len(self._dev), _ROWS_AT_ONCE)
        )
        losses = validation_losses(student, teachers[0] if teachers else None, batches)
        write = partial(write_texts, evaluation=found, examples=self._dev)
        return Judged(found.metrics, found.select, found.report, write, losses)

    def probed(self) -> tuple[View, TextBatch]:
        """The first examples of dev."""
        return TEXT_VIEW, self.collate(self._dev[:PROBE_ROWS])

    def guesses(self) -> dict[str, dict[str, float]]:
        """The source itself as the text."""
        copied = {example.key: self._tokenizer.text(example.source.tolist()) for example in self._dev}
        right = {example.key: example.references for example in self._dev}
        return {"copy": score_texts(pairs_spec(self._run.task).kind, copied, right).metrics}
