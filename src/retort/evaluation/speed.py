"""How long teachers and students take to answer a batch.

Models have random weights and texts are random words of full length: time depends on neither, and every
model writes the same number of words, as the end of a text is ruled out. So students are timed before any
is trained. The CKA paper's scripts divide the time of a whole validation run, metrics and detokenisation
included and without a warm-up, by its examples; here models alone are timed, in float32.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retort.config.texts import TextPaper, TextTask, Track
from retort.data.glue.tasks import spec_of as glue_spec
from retort.data.layouts import Layout, TextFamily, layout_of
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.data.text_batches import TextBatch, whole_batch
from retort.data.text_tokenizer import TextTokenizer
from retort.evaluation.generation import Decoding, searched
from retort.files import atomic_path
from retort.models.features import CLASS
from retort.models.hf.architecture import TextArchitecture, Vocabulary
from retort.models.hf.building import build
from retort.papers import Kind, paper_of
from retort.runcard import describe_device

COLUMNS = (
    *("track", "model", "parameters", "task_kind", "rows", "source", "target"),
    *("device", "machine", "torch", "median_ms", "low_ms", "high_ms", "repeats", "ratio_to_teacher"),
)
ROWS: Mapping[TextFamily, int] = {"bert": 8, "bart": 16, "mbart": 8, "mbart50": 8, "t5": 8}
"""Texts of a batch, as in the authors' scripts, which time no T5."""

WARM_UP = 2
"""Rounds before the clock counts: allocations, kernels and threads settle."""
LEAST, MOST = 5, 50
"""Rounds that count."""
SECONDS = 2.0
"""After this long enough rounds are made, if they are not fewer than the least."""

Architectures = Mapping[str, Mapping[str, TextArchitecture]]
"""By track and symbol, see :func:`retort.track_models.architectures`."""


@dataclass(frozen=True)
class Workload:
    """What the models of a track do.

    Attributes:
        task: whose lengths and search these are; ``kind``: of its scoring.
        rows: texts of a batch; ``source``: tokens of each.
        target: new tokens of each; ``None``: texts are classified.
        decoding: the search, which ends after exactly so many.
    """

    task: str
    kind: Kind
    rows: int
    source: int
    target: int | None
    decoding: Decoding | None


@dataclass(frozen=True)
class Timing:
    """Seconds of each round by model, in the same order."""

    parameters: Mapping[str, int]
    seconds: Mapping[str, Sequence[float]]


def measure_speed(
    paper: str,
    section: TextPaper,
    architectures: Architectures,
    tokenizers: Mapping[str, Path],
    out: Path,
    device: torch.device,
) -> None:
    """Write a line for each model and kind of task of each track.

    ``median_ms``, ``low_ms`` and ``high_ms`` are median, 10th and 90th percentile of the time of a batch;
    ``ratio_to_teacher`` is the median of a model's time over that of the track's first teacher in the same
    round. ``parameters`` are those of the timed model, shared ones once.

    Args:
        paper: whose tasks these are; ``section``: its tracks.
        architectures: the models of each track; one of them is its first teacher.
        tokenizers: the tokenizer file of each track.
        out: CSV file with :data:`COLUMNS`.
        device: where the models run.

    Raises:
        InputError: a tokenizer file is missing, or a task is none of the paper's.
    """
    origin = (device.type, describe_device(device.type)["name"], torch.__version__)
    lines: list[tuple[Any, ...]] = []
    for name, track in section.tracks.items():
        tokenizer = TextTokenizer.load(tokenizers[name])
        for work in workloads(paper, track, tokenizer):
            found = _timed(track, architectures[name], work, tokenizer, device)
            teacher = found.seconds[track.teachers[0]]
            for symbol, seconds in found.seconds.items():
                size = (found.parameters[symbol], work.kind, work.rows, work.source, work.target)
                lines.append((name, symbol, *size, *origin, *summary(seconds), ratio(seconds, teacher)))
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)


def workloads(paper: str, track: Track, tokenizer: TextTokenizer) -> list[Workload]:
    """One for each kind of task of a track: that with the longest texts, the first of several."""
    longest: dict[Kind, tuple[str, TextTask]] = {}
    for name, task in track.tasks.items():
        kind = paper_of(paper).task(name).kind
        if kind not in longest or _length(task) > _length(longest[kind][1]):
            longest[kind] = name, task
    return [_workload(track, name, task, kind, tokenizer) for kind, (name, task) in longest.items()]


def _length(task: TextTask) -> tuple[int, int]:
    return task.source, 0 if task.decoding is None else task.decoding.max_length


def _workload(track: Track, name: str, task: TextTask, kind: Kind, tokenizer: TextTokenizer) -> Workload:
    rows, wanted = ROWS[track.family], task.decoding
    if wanted is None:
        return Workload(name, kind, rows, task.source, None, None)
    longest = wanted.max_length
    search = Decoding(longest, wanted.beams, longest, wanted.length_penalty, wanted.no_repeat_ngram)
    given = len(_layout(track, name, tokenizer).prompt)
    return Workload(name, kind, rows, task.source, longest - given, search)


def _layout(track: Track, task: str, tokenizer: TextTokenizer) -> Layout:
    languages = () if track.family == "bert" else pairs_spec(task).languages
    return layout_of(track.family, tokenizer, *languages)


@torch.inference_mode()
def _timed(
    track: Track,
    models: Mapping[str, TextArchitecture],
    work: Workload,
    tokenizer: TextTokenizer,
    device: torch.device,
) -> Timing:
    layout = _layout(track, work.task, tokenizer)
    classes = None if work.decoding else max(1, len(glue_spec(work.task).labels))
    words = Vocabulary(tokenizer.size, layout.pad, layout.end, layout.end, layout.start)
    families = {symbol: build(size, words, classes) for symbol, size in models.items()}
    for family in families.values():
        family.module.to(device).eval()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(tokenizer.size, (work.rows, work.source), generator=generator)
    batch = whole_batch(ids.tolist(), layout.pad).to(device)
    steps = {symbol: _step(family, batch, layout, work) for symbol, family in families.items()}
    parameters = {symbol: _parameters(family.module) for symbol, family in families.items()}
    return Timing(parameters, in_turns(steps, lambda: _settle(device)))


def _step(family: Any, batch: TextBatch, layout: Layout, work: Workload) -> Callable[[], None]:
    """What is timed of a model: from a batch on its device to classes, or to ids.

    Raises:
        RuntimeError: it wrote another number of words than it was told to.
    """
    if work.decoding is None:
        return lambda: family.observe(batch, frozenset({CLASS}))[CLASS]
    prompt = torch.tensor([layout.prompt], device=batch.tokens.device)

    def write() -> None:
        assert work.decoding is not None
        for ids in searched(family.module, batch, prompt, layout, work.decoding):
            if len(ids) != work.decoding.max_length:
                raise RuntimeError(f"asked for {work.decoding.max_length} tokens, the model wrote {len(ids)}")

    return write


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _settle(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(steps: Mapping[str, Callable[[], object]], settle: Callable[[], None]) -> dict[str, list[float]]:
    """Seconds of each step, round by round: whatever else the machine does hits all alike.

    Each round begins with the next step. Rounds are made for :data:`SECONDS`, but not fewer than
    :data:`LEAST` nor more than :data:`MOST`.

    Args:
        steps: what to time, by name.
        settle: called before each look at the clock.
    """
    names = list(steps)
    took: dict[str, list[float]] = {name: [] for name in names}
    rounds = -WARM_UP
    began = time.perf_counter()
    while rounds < LEAST or (rounds < MOST and time.perf_counter() - began < SECONDS):
        if rounds == 0:
            began = time.perf_counter()
        cut = rounds % len(names)
        for name in names[cut:] + names[:cut]:
            settle()
            started = time.perf_counter()
            steps[name]()
            settle()
            if rounds >= 0:
                took[name].append(time.perf_counter() - started)
        rounds += 1
    return took


def summary(seconds: Sequence[float]) -> tuple[str, str, str, int]:
    """Median, 10th and 90th percentile in milliseconds, and how many there are."""
    tenths = statistics.quantiles(seconds, n=10, method="inclusive")
    mid, low, high = (f"{1000 * value:.4g}" for value in (statistics.median(seconds), tenths[0], tenths[-1]))
    return mid, low, high, len(seconds)


def ratio(seconds: Sequence[float], teacher: Sequence[float]) -> str:
    """Median over rounds of one time over the other."""
    return f"{statistics.median(a / b for a, b in zip(seconds, teacher, strict=True)):.4g}"
