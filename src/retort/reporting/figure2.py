"""Figure 2: which teacher-student feature distances fall together with the pretraining loss."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.errors import InputError
from retort.reporting import style
from retort.reporting.results import Results
from retort.reporting.rows import table_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("method", "pair", "seed", "distance", "site", "layer", "rho", "n")
LOG = "distances.jsonl"
_FEWEST = 3
_PANELS_PER_ROW = 3
_SITES = {
    "words": "word logits",
    "hidden": "hidden states",
    "scores": "attention scores",
    "probs": "attention",
    "q": "queries",
    "k": "keys",
    "v": "values",
}
_DISTANCES = {
    "mse": "MSE",
    "kl": "KL",
    "cka": "1 − CKA",
    "gram_mse": "relation MSE",
    "gram_kl": "relation KL",
}


def correlations(results: Results) -> pd.DataFrame:
    """Spearman's rank correlation of each logged distance with the loss, for each method and seed.

    Columns ``method, pair, seed, distance, site, layer, rho, n``: layer is empty for what has none,
    ``rho`` is empty where a distance never changes or has fewer than three points.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in table_rows(results):
        runs = dict(zip(row.scores["seed"], row.scores["stage"], strict=True))
        for seed, stage in runs.items():
            log = pretraining_log(results, str(stage)) if stage else None
            if log is not None:
                head = {"method": row.method, "pair": row.pair, "seed": str(seed)}
                records += [head | record for record in correlate(read_log(log))]
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"layer": "Int64", "n": "Int64"})


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


def correlate(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Correlation of every distance (``<distance>:<site>[:<layer>]``) with the loss over the logged steps."""
    from scipy.stats import spearmanr

    for name in dict.fromkeys(key for line in lines for key in line if ":" in key):
        points = [(line["loss"], line[name]) for line in lines if line.get(name) is not None]
        points = [point for point in points if all(map(math.isfinite, point))]
        losses, values = zip(*points, strict=True) if points else ((), ())
        moves = len(points) >= _FEWEST and len(set(values)) > 1 and len(set(losses)) > 1
        distance, site, *layer = name.split(":")
        yield {
            "distance": distance,
            "site": site,
            "layer": int(layer[0]) if layer else None,
            "rho": float(spearmanr(losses, values).statistic) if moves else None,
            "n": len(points),
        }


def figure2(data: pd.DataFrame) -> Figure:
    """Heat map: a panel for each method and pair, a row for each feature, a column for each layer.

    A cell is the mean over seeds of Spearman's correlation between distance and loss. Framed cells are
    zero or negative: features that do not come closer while the loss falls.
    """
    from matplotlib.figure import Figure

    if data["rho"].notna().sum() == 0:
        return style.empty("No teacher-student distances were logged at this scale.")
    found = dict.fromkeys(zip(data["site"], data["distance"], strict=True))
    features = sorted(found, key=_feature_order)
    layers = sorted(int(layer) for layer in data["layer"].dropna().unique())
    columns: list[int | None] = [*layers, *([None] if data["layer"].isna().any() else [])]
    panels = [(str(m), str(p), part) for (m, p), part in data.groupby(["method", "pair"], sort=False)]
    across = min(_PANELS_PER_ROW, len(panels))
    down = -(-len(panels) // across)
    size = (2.0 + across * max(1.5, 0.55 * len(columns) + 0.25), 0.6 + down * (1.1 + 0.3 * len(features)))
    with style.style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axis, (method, pair, part) in zip(axes, panels, strict=False):
            image = _panel(axis, part, features, columns)
            axis.set_title(f"{method}\n{pair}")
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        axes[0].set_yticks(range(len(features)), [_feature_title(feature) for feature in features])
        figure.supxlabel("layer of the student (0 = embeddings, out = predicted words)", fontsize=9)
        bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
        bar.set_label("Spearman ρ with the training loss")
        bar.outline.set_visible(False)
    return figure


def _panel(axis: Axes, part: pd.DataFrame, features: list[tuple[str, str]], columns: list[int | None]) -> Any:
    """Draw one method; returns the image for the colour bar."""
    import numpy as np
    from matplotlib.patches import Rectangle

    grid = np.full((len(features), len(columns)), np.nan)
    for (site, distance), group in part.groupby(["site", "distance"]):
        for x, layer in enumerate(columns):
            here = group["layer"].isna() if layer is None else group["layer"].eq(layer).fillna(False)
            if here.any():
                grid[features.index((str(site), str(distance))), x] = group.loc[here, "rho"].mean()
    image = axis.imshow(grid, cmap=style.SIGNED, vmin=-1, vmax=1, aspect="auto")
    for y, x in np.argwhere(~np.isnan(grid)):
        rho = grid[y, x]
        text = f"{round(rho, 2) + 0:.2f}".replace("-", "−")
        colour = "white" if abs(rho) > 0.65 else style.INK
        axis.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
        if rho <= 0:
            corner = (x - 0.44, y - 0.44)
            axis.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=colour, linewidth=1.4))
    axis.set_xticks(range(len(columns)), ["out" if layer is None else str(layer) for layer in columns])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return image


def _feature_order(feature: tuple[str, str]) -> tuple[int, str, str]:
    site, distance = feature
    order = list(_SITES)
    return order.index(site) if site in order else len(order), site, distance


def _feature_title(feature: tuple[str, str]) -> str:
    site, distance = feature
    base, temperature = re.fullmatch(r"(.*?)(\d*)", distance).groups()  # type: ignore[union-attr]
    name = _DISTANCES.get(base, base.replace("_", " "))
    return f"{_SITES.get(site, site)} · {name}{f' (τ = {temperature})' if temperature else ''}"


def caption(data: pd.DataFrame) -> str:
    """What the figure shows and how much stands behind it."""
    if data.empty:
        return "No teacher-student distances were logged at this scale."
    seeds = data["seed"].nunique()
    return (
        "Spearman correlation, over logged pretraining steps, between the training loss and each "
        f"teacher-student feature distance; mean over {seeds} seed{'s' if seeds > 1 else ''}, "
        f"{_span(data['n'].dropna().astype(int).tolist())} points each. Framed: zero or negative, features "
        "that do not come closer while the loss falls. Empty: not comparable or constant."
    )


def _span(values: list[int]) -> str:
    distinct = [value for value, _ in groupby(sorted(values))]
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]}"
