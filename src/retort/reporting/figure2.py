"""Figure 2: which features come closer to the teacher's while the word-prediction loss falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retort.reporting import distances, heatmap, style
from retort.reporting.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METHODS = ("GLMD-vc",)
TITLE = "Which features come closer to the teacher's while the word-prediction loss falls?"
NOTHING = "No teacher-student distances were logged at this scale."
_PAGE_INCHES = 7.0
"""Room for panels beside each other."""


def correlations(results: Results) -> pd.DataFrame:
    """Correlations with the training loss, see :func:`retort.reporting.distances.correlations`."""
    return distances.correlations(results, METHODS, ["loss"])


def figure2(data: pd.DataFrame) -> Figure:
    """Heat map: a panel for each pair, a line for each feature, a column for each layer.

    A cell is the mean over seeds of Spearman's correlation between distance and loss. Framed cells are
    zero or negative: features that do not come closer while the loss falls.
    """
    from matplotlib.figure import Figure

    if data["rho"].notna().sum() == 0:
        return style.empty(NOTHING)
    grid = heatmap.Grid.of(data)
    panels = [(f"{m}, {p}", part) for (m, p), part in data.groupby(["method", "pair"], sort=False)]
    width, height = grid.inches
    across = min(max(1, int(_PAGE_INCHES // (width + 0.15))), len(panels))
    down = -(-len(panels) // across)
    size = (1.9 + across * (width + 0.15), 1.3 + down * (height + 0.5))
    with style.style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(down, across, squeeze=False)
        for number, axis in enumerate(axes.ravel()):
            if number >= len(panels):
                axis.remove()
                continue
            title, part = panels[number]
            heatmap.panel(axis, part, grid, labelled=number % across == 0)
            axis.set_title(title)
            axis.set_xlabel("layer of the student")
        heatmap.key(figure)
    return figure


def caption(data: pd.DataFrame) -> str:
    """What the figure shows, what it says, and how much stands behind it."""
    known = data[data["rho"].notna() & (data["site"] != "")]
    if known.empty:
        return NOTHING
    apart, sure = known["rho"] <= 0, known["p"] <= heatmap.LEVEL
    return (
        f"Spearman correlation between the training loss of {', '.join(METHODS)} and each teacher-student "
        f"feature distance. {int(apart.sum())} of {len(known)} distances do not come closer while the loss "
        f"falls (ρ ≤ 0, framed), {int((apart & sure).sum())} of them beyond chance. {method_note(data)}"
    )


def method_note(data: pd.DataFrame) -> str:
    """How the correlations were measured and tested, for the captions of all figures that show them."""
    seeds, points = (span(data[name].astype(int)) for name in ("seeds", "points"))
    return (
        f"{points} evenly spaced steps of a run, mean of {seeds} seed{'' if seeds == '1' else 's'}. "
        "Distances, L_sp and perplexity are those of one fixed batch of samples that come after all that the "
        "student is trained on (new to it, unless it passes over the corpus more than once or samples are "
        "random windows); the training loss is the mean since the step measured before. The authors measured "
        "on each step's own batch, which adds the differences between batches. Student layers face the "
        "teacher layers that end "
        "equal segments; layer 0 is the embeddings. Arrows: a measure's own course, from the first to the "
        f"last measured step. In brackets: p > {heatmap.LEVEL:g}, cell by cell, where the null moves the "
        "loss round against the distance by any number of steps, in each run by itself: both keep their own "
        "course, so that neighbouring steps do not count as independent. Dash: constant. Empty: shapes "
        "differ, or there is no such layer."
    )


def span(values: pd.Series) -> str:
    """The least and the largest of some counts, as captions tell them."""
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"
