"""Figure 6: the loss around students, with ATKD and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.atkd.look import line_of
from retort.reporting.results import LANDSCAPE, Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "The loss around students, with ATKD and without"
NOTHING = "No method ran with and without ATKD at this scale."
_COLUMNS = 3
"""Panels side by side."""


def slices(results: Results) -> pd.DataFrame:
    """What was measured, with ``rise``: the loss less that of the student itself, on the same slice."""
    data = results.landscape[list(LANDSCAPE)].astype({"direction": int, "alpha": float, "loss": float})
    itself = data["loss"].where(data["alpha"] == 0)
    data["rise"] = data["loss"] - itself.groupby([data["stage"], data["direction"]]).transform("max")
    return data.round({"rise": 6})


def figure(data: pd.DataFrame) -> Figure:
    """A panel for each pair: thick lines are means over seeds and directions, thin ones single directions."""
    from matplotlib.figure import Figure

    if data.empty:
        return style.empty(NOTHING)
    pairs = list(data.groupby("pair", sort=False))
    across = min(_COLUMNS, len(pairs))
    down = -(-len(pairs) // across)
    with style.style():
        drawn = Figure(figsize=(3.2 * across + 0.8, 2.9 * down + 0.7), layout="constrained")
        axes = drawn.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        named: dict[str, Any] = {}
        for axis, (pair, part) in zip(axes.ravel(), pairs, strict=False):
            named |= _panel(axis, part)
            axis.set_title(str(pair))
            axis.set_xlabel("share of a direction as long as the weights")
        for axis in axes.ravel()[len(pairs) :]:
            axis.set_axis_off()
        for row in axes:
            row[0].set_ylabel("rise of the loss, nats")
        drawn.legend(named.values(), named.keys(), loc="outside lower center", ncols=2)
    return drawn


def _panel(axis: Axes, part: pd.DataFrame) -> dict[str, Any]:
    """Returns what the key needs."""
    named = {}
    for method, runs in part.groupby("method", sort=False):
        look = line_of(str(method))
        for _, one in runs.groupby(["seed", "direction"]):
            axis.plot(one["alpha"], one["rise"], color=look["color"], ls=look["ls"], lw=0.4, alpha=0.35)
        means = runs.groupby("alpha")["rise"].mean()
        (named[str(method)],) = axis.plot(means.index, means, **look)
    axis.grid(axis="y", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)
    return named


def caption(data: pd.DataFrame) -> str:
    """What is drawn, and what the file has besides."""
    if data.empty:
        return NOTHING
    seeds, directions = data["seed"].nunique(), data["direction"].nunique()
    return (
        "Cross-entropy of the references' words around the trained student, less that of the student itself. "
        f"Thin: {directions} random directions of {seeds} training seed{'s' if seeds > 1 else ''}, the same "
        "for all students of one size, each row scaled to the norm of that row of the weights (Li et al., "
        "2018); biases and norms stay. Markers: their mean. Full lines: with ATKD; broken ones: without. How "
        "the paper cut through the loss is not known to us; the CSV has the losses themselves."
    )
