"""What the runs behind a row recorded besides their scores, and how large models are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from retort.costs.text_flops import parameters
from retort.files import read_json
from retort.reporting.scores import PAPER, select
from retort.reporting.track_rows import TrackRow
from retort.track_models import text_architecture


def reported(row: TrackRow) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(seed, evaluation) of each run of a row: the best on dev, as its scores are chosen."""
    scores = select(row.scores, protocol=PAPER)
    for seed, stage, run in dict.fromkeys(zip(scores["seed"], scores["stage"], scores["run"], strict=True)):
        evaluations = read_json(row.results.run(stage, run) / "metrics.json")["evaluations"]
        yield seed, max(evaluations, key=lambda one: fmean(one["all"].values()))


def parameters_of(row: TrackRow) -> int:
    """Parameters of a row's model, shared ones once; its run says how many words it has."""
    scores = row.scores.iloc[0]
    words = read_json(row.results.run(scores["stage"], scores["run"]) / "config.json")["vocab_size"]
    return parameters(text_architecture(row.model, row.results.tracks[row.track]), words)


def short(count: int) -> str:
    """``1.3B``, ``125M``, ``96K``."""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count / 1e3:.3g}K"
