"""What causal models read: instructions, with responses of the data, a teacher or the student itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from retort.data.instructions.sets import spec_of
from retort.data.layouts import layout_of
from retort.data.prompt_examples import PromptExample, load_prompts, with_responses
from retort.data.text_batches import TextBatch
from retort.data.text_sets import batch_of_prompts
from retort.data.text_tokenizer import TextTokenizer
from retort.distill.decoupled import uncertainty
from retort.distill.words import word_statistic
from retort.errors import InputError
from retort.evaluation.completion import complete
from retort.evaluation.decoding import Sampling
from retort.evaluation.likelihood import response_nll
from retort.evaluation.prompt_predictions import PromptEvaluation, evaluate_prompts, write_responses
from retort.evaluation.validation_losses import validation_losses
from retort.files import read_json, write_json, write_lines
from retort.models.features import WORDS, Family
from retort.training.distribution import World
from retort.training.lessons import Judged
from retort.training.probes import PROBE_ROWS, TEXT_VIEW, View

if TYPE_CHECKING:
    from retort.runs import PromptRun

_ROWS_AT_ONCE = 64
"""Of validation batches."""

_BINS = 20
"""Of the shares of uncertain words."""


class PromptLesson:
    """Instructions (see :class:`retort.training.lessons.Lesson`)."""

    recall = None

    def __init__(self, run: PromptRun, corpus: Path, text: Path) -> None:
        self._run = run
        self._tokenizer = TextTokenizer.load(corpus / "tokenizer.json")
        self._layout = layout_of(run.family, self._tokenizer)
        self._text = text
        self.files = tuple(text / f"{name}.npz" for name in (*run.train, *run.sets))
        self._stored: dict[str, list[int]] = {}

    @cached_property
    def train(self) -> list[PromptExample]:
        """Training examples; who only guesses reads none."""
        return list(chain.from_iterable(load_prompts(self._text, name) for name in self._run.train))

    @cached_property
    def _dev(self) -> dict[str, list[PromptExample]]:
        return {name: load_prompts(self._text, name) for name in self._run.sets}

    def collate(self, examples: Sequence[PromptExample]) -> TextBatch:
        """Padded prompts with their responses, which are what is predicted."""
        return batch_of_prompts(examples, self._layout)

    def taught(
        self,
        examples: Sequence[PromptExample],
        step: int,
        student: Family,
        signals: Sequence[Path],
        seed: int,
    ) -> Sequence[PromptExample]:
        """The same prompts with the responses that this update learns on.

        Rollouts are greedy, as the authors' are. They depend on the student as it is at this step, which a
        resumed run restores, and on nothing else.
        """
        sequences = self._run.sequences
        chosen = Random(f"{seed}/sequences/{step}").random() < sequences.share
        source = sequences.source if chosen else sequences.otherwise
        if source == "data":
            return examples
        if source == "teacher":
            stored = self._teacher_responses(signals)
            responses = [stored[example.key] for example in examples]
        else:
            responses = self.rollouts(student, examples)
        return with_responses(examples, responses, drop_end=None if self._run.learn_end else self._layout.end)

    def judge(
        self, student: Family, teachers: Sequence[Family], device: torch.device, world: World
    ) -> Judged:
        """The student's responses on each set, and its losses on their references.

        ``losses`` also has what tells how responses end and repeat, and how unlikely they are to the teacher,
        by set and metric.
        """
        run, layout, tokenizer = self._run, self._layout, self._tokenizer
        found = {}
        for name, examples in self._dev.items():
            settings = Sampling(
                min(run.sampling.max_new, spec_of(name).longest), run.sampling.temperature, run.sampling.top_p
            )
            found[name] = evaluate_prompts(
                student.module, name, examples, layout, tokenizer, settings, device, seed=run.drawn
            )
        metrics, select, report = (
            {name: getattr(one, part)[spec_of(name).metric] for name, one in found.items()}
            for part in ("metrics", "select", "report")
        )
        told = {
            f"{name}:{metric}": value
            for name, one in found.items()
            for metric, value in one.metrics.items()
            if metric != spec_of(name).metric
        }
        losses = validation_losses(student, teachers[0] if teachers else None, self._batches(device))
        losses |= self._uncertainty(student, device)
        if teachers:
            losses |= self._teacher_losses(found, teachers[0], device)
        return Judged(metrics, select, report, partial(self._write, found=found), losses | told)

    def probed(self) -> tuple[View, TextBatch]:
        """The first examples of the first set."""
        return TEXT_VIEW, self.collate(next(iter(self._dev.values()))[:PROBE_ROWS])

    def guesses(self) -> dict[str, dict[str, float]]:
        """None: nothing is right without having learnt."""
        return {}

    def _teacher_losses(
        self, found: Mapping[str, PromptEvaluation], teacher: Family, device: torch.device
    ) -> dict[str, float]:
        """The teacher's mean negative log-likelihood of a word of the student's responses, set by set."""
        losses = {}
        for name, evaluation in found.items():
            examples = self._dev[name]
            said = with_responses(examples, [evaluation.responses[example.key] for example in examples])
            total, words = response_nll(teacher, said, self._layout, device).sum(0)
            if words:
                losses[f"{name}:teacher_nll"] = float(total / words)
        return losses

    def _uncertainty(self, model: Family, device: torch.device) -> dict[str, float]:
        """Shares of the words of the references by the mass that the model gives to other words (UnC).

        Named by the lower end of the bin: ``uncertainty:0.05`` is from 0.05 to 0.1.
        """
        counts = torch.zeros(_BINS, dtype=torch.float64)
        training = model.module.training
        model.module.eval()
        with torch.no_grad():
            for batch in self._batches(device):
                words = model.observe(batch, frozenset({WORDS}))[WORDS]
                found = word_statistic(words, batch.predicted, batch.targets, uncertainty)
                counts += torch.histc(found.double().cpu().clamp(0, 1), _BINS, 0, 1)
        model.module.train(training)
        return {
            f"uncertainty:{place / _BINS:g}": share
            for place, share in enumerate((counts / counts.sum()).tolist())
        }

    def _batches(self, device: torch.device) -> chain[TextBatch]:
        examples = list(chain.from_iterable(self._dev.values()))
        parts = range(0, len(examples), _ROWS_AT_ONCE)
        return chain(self.collate(examples[first : first + _ROWS_AT_ONCE]).to(device) for first in parts)

    def rollouts(self, model: Family, examples: Sequence[PromptExample]) -> list[list[int]]:
        """A model's greedy responses."""
        device = next(model.module.parameters()).device
        longest = max(len(example.prompt) for example in examples)
        settings = Sampling(min(self._run.sampling.max_new, self._run.longest - longest))
        return complete(model.module, examples, self._layout, settings, device=device, seed=0)

    def _teacher_responses(self, signals: Sequence[Path]) -> dict[str, list[int]]:
        if not self._stored:
            path = signals[0] / f"{self._run.task}.json"
            if not path.exists():
                raise InputError(f"{path}: no responses of the teacher; run the step that writes them first")
            self._stored = read_json(path)
        return self._stored

    def _write(self, path: Path, found: dict[str, PromptEvaluation]) -> None:
        lines: list[str] = []
        with TemporaryDirectory() as folder:
            for name, evaluation in found.items():
                part = Path(folder) / name
                write_responses(part, evaluation, self._dev[name])
                lines += part.read_text(encoding="utf-8").splitlines()
        write_lines(path, lines)


def store_responses(
    task: str, lesson: PromptLesson, folder: Path, teacher: Family, device: torch.device
) -> None:
    """Write a teacher's greedy responses to all training prompts."""
    responses = lesson.rollouts(teacher, lesson.train)
    keys = [example.key for example in lesson.train]
    write_json(folder / f"{task}.json", dict(zip(keys, responses, strict=True)))
