"""Rank correlations of the distances that runs measured while they trained, computed from their files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from retort.claims.evidence import Evidence
from retort.claims.kinds import Cell
from retort.claims.lineage import pretraining
from retort.errors import InputError
from retort.files import read_text

_SITES = ("hidden", "encoder")
_SERIES = {"perplexity": "lm_loss", "loss": "loss"}
STRONGEST = 0.999
"""Correlation that a perfect one counts as: Fisher's z has no end."""


def probed(against: str, stage: str, evidence: Evidence) -> dict[Cell, list[float]]:
    """Rank correlation of CKA distances with another series, one a seed, by cell.

    It is the mean over all layers of hidden states, and over the tasks of the seed, on Fisher's scale. Runs
    that measured nothing are left out; one that several tasks were started from counts once.
    """
    found: dict[Cell, list[float]] = {}
    for cell, runs in evidence.runs.items():
        by_seed: dict[str, set[Path]] = {}
        for (seed, _), folder in runs.items():
            old = pretraining(folder) if stage == "pretraining" else (folder, {})
            by_seed.setdefault(seed, set()).update([old[0]] if old is not None else [])
        scores = [_mean(filter(Path.is_file, map(_log, sorted(old))), against) for old in by_seed.values()]
        rhos = [math.tanh(score) for score in scores if score is not None]
        if rhos:
            found[cell] = rhos
    return found


def _log(folder: Path) -> Path:
    return folder / "distances.jsonl"


def _mean(paths: Iterable[Path], against: str) -> float | None:
    scores = [score for path in paths for score in _of_run(path, against)]
    return sum(scores) / len(scores) if scores else None


@cache
def _of_run(path: Path, against: str) -> Sequence[float]:
    """Fisher's z of every layer, none where nothing varies."""
    import numpy as np
    from scipy.stats import spearmanr

    lines = _lines(path)
    scores = []
    for name in lines[0] if lines else ():
        distance, _, place = name.partition(":")
        if distance != "cka" or place.partition(":")[0] not in _SITES:
            continue
        other = _SERIES.get(against, f"{against}:{place}")
        if not all(name in line and other in line for line in lines):
            continue
        series = np.array([[line[name], line[other]] for line in lines])
        if np.all(np.ptp(series, axis=0) > 0):
            rho = float(spearmanr(series[:, 0], series[:, 1]).statistic)
            scores.append(math.atanh(min(max(rho, -STRONGEST), STRONGEST)))
    return scores


def _lines(path: Path) -> list[dict[str, float]]:
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            record = json.loads(line)
            found.append({str(name): float(value) for name, value in record.items()})
        except (json.JSONDecodeError, AttributeError, TypeError, ValueError):
            raise InputError(f"{path}:{number}: no measurement; train the stage again") from None
    return found
