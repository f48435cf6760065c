"""What was measured while students pretrained, and how it moves together."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from retort.errors import InputError
from retort.reporting.ranks import shift_test, shifted_correlations
from retort.reporting.results import Results
from retort.reporting.rows import table_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LOG = "distances.jsonl"
COLUMNS = (
    "method",
    "pair",
    "against",
    "distance",
    "site",
    "layer",
    "rho",
    "lowest",
    "highest",
    "p",
    "first",
    "last",
    "seeds",
    "points",
)
MEASURES = {"loss": "loss", "l_sp": "kl:words", "perplexity": "perplexity"}
"""What distances are laid against, by its series in a log."""
_LARGEST = 20.0
"""The authors' bound on the exponent of a perplexity."""


class Feature(NamedTuple):
    """A logged series: ``<distance>:<site>[:<layer>]``; what is no distance has no site."""

    distance: str
    site: str = ""
    layer: int | None = None

    @classmethod
    def parse(cls, name: str) -> Feature:
        """The feature that a log calls ``name``."""
        distance, _, place = name.partition(":")
        site, _, layer = place.partition(":")
        return cls(distance, site, int(layer) if layer else None)


def correlations(results: Results, methods: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """Spearman's rank correlation, over the steps of a run, of each logged distance with each measure.

    One row for each method, pair, measure and feature, with the columns

    ========== =====================================================================================
    method     name of the method; ``pair``: teacher and student
    against    ``loss`` (of the training), ``l_sp`` (word KL at temperature 15) or ``perplexity`` (the
               student's, of gold words)
    distance   ``mse``, ``kl``, ``cka`` (1 - CKA), ``gram_mse``, ``gram_kl`` (of relations), or another
               measure
    site       what is compared: ``words``, ``hidden``, ``q``, ``k``, ``v``, ``scores``; empty for a measure
    layer      of the student, 0 = embeddings; empty for what has none
    rho        mean over seeds; empty for a measure with itself, and where a series never changes or has
               fewer than three points
    lowest     and ``highest``: of the seeds
    p          that ``rho`` is chance, see :func:`retort.reporting.ranks.shift_test`
    first      and ``last``: value of the distance at the first and last step measured, mean over seeds
    seeds      how many; ``points``: steps of each, the fewest
    ========== =====================================================================================
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in table_rows(results):
        if row.method in methods:
            stages = dict(zip(row.scores["seed"], row.scores["stage"], strict=True)).values()
            logs = [pretraining_log(results, str(stage)) for stage in stages if stage]
            runs = [series(read_log(log)) for log in logs if log is not None]
            head = {"method": row.method, "pair": row.pair}
            records += [head | record for record in correlate(runs, measures)]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.astype({"layer": "Int64", "seeds": "Int64", "points": "Int64"})


def correlate(runs: Sequence[dict[str, np.ndarray]], measures: Sequence[str]) -> list[dict[str, Any]]:
    """Records of :func:`correlations` for the seeds of one method and pair."""
    names = dict.fromkeys(name for run in runs for name in run)
    records = []
    for measure in measures:
        for name in names:
            both = [
                (run[MEASURES[measure]], run[name]) for run in runs if {name, MEASURES[measure]} <= run.keys()
            ]
            if both:
                record = _correlation(both, itself=name == MEASURES[measure])
                records.append({"against": measure} | Feature.parse(name)._asdict() | record)
    return records


def _correlation(runs: Sequence[tuple[np.ndarray, np.ndarray]], itself: bool) -> dict[str, Any]:
    """Statistics of a series (second of each pair) with a measure (first) over the seeds."""
    import numpy as np

    found = [None if itself else shifted_correlations(x, y) for x, y in runs]
    known = [run for run in found if run is not None]
    rhos = [float(run[0]) for run in known]
    return {
        "rho": statistics.fmean(rhos) if rhos else None,
        "lowest": min(rhos, default=None),
        "highest": max(rhos, default=None),
        "p": shift_test(known) if known else None,
        "first": statistics.fmean(float(y[0]) for _, y in runs),
        "last": statistics.fmean(float(y[-1]) for _, y in runs),
        "seeds": len(runs),
        "points": min(int((np.isfinite(x) & np.isfinite(y)).sum()) for x, y in runs),
    }


def series(lines: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Loss, perplexity and every distance of a log [steps], NaN at steps without."""
    import numpy as np

    names = [key for key in dict.fromkeys(k for line in lines for k in line) if ":" in key]
    found = {
        name: np.array([_number(line.get(name)) for line in lines])
        for name in ("loss", *names, "lm_loss")
        if any(name in line for line in lines)
    }
    if "lm_loss" in found:
        found["perplexity"] = np.exp(np.minimum(found.pop("lm_loss"), _LARGEST))
    return found


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def pretraining_log(results: Results, stage: str) -> Path | None:
    """Distances logged by the nearest ancestor of a stage that logged any, itself included."""
    by_digest = {run.digest: run for run in results.runs}
    digest: str | None = stage.rpartition(".")[2]
    while digest in by_digest:
        run = by_digest[digest]
        log = results.stage(run.stage) / LOG
        if log.is_file() and log.stat().st_size:
            return log
        digest = run.card["stage"].get("init")
    return None


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a log, one JSON object a step.

    Raises:
        InputError: a line is no JSON object with a loss.
    """
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            line = None
        if not isinstance(line, dict) or "loss" not in line:
            raise InputError(f"{path}:{number}: not a JSON object with a loss; run the stage again")
        lines.append(line)
    return lines
