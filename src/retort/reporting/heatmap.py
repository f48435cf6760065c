"""Panels of correlations: a line for each kind of feature, a column for each layer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.reporting import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

LEVEL = 0.05
"""Above this p value a correlation is in brackets."""
MEASURES = {
    ("loss", ""): "training loss",
    ("kl", "words"): "$L_{sp}$ (word KL, τ = 15)",
    ("perplexity", ""): "perplexity",
}
"""What has no layers, by (distance, site): a bar over the whole width."""
_ITSELF = dict(zip(("loss", "l_sp", "perplexity"), MEASURES, strict=True))
"""The line of each measure that distances are laid against."""
_SITES = {
    "encoder": "encoder states",
    "hidden": "hidden states",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "scores": "attention scores",
}
_DISTANCES = {
    "mse": "MSE",
    "kl": "KL",
    "gram_mse": "relation MSE",
    "gram_kl": "relation KL",
    "cka": "1 − CKA",
    "procrustes": "1 − best rotation",
    "cosine": "1 − cosine",
}
_HEADER = 0.95
_GAP = 0.25
_DARK = 0.2
"""Relative luminance at which black and white text stand out alike."""
_COLUMN_INCHES = 0.46
_LINE_INCHES = 0.2


@dataclass(frozen=True)
class Line:
    """A line of a panel: its upper edge and what it shows; without a distance the header of a group.

    Attributes:
        words: what a measure without layers is called.
    """

    top: float
    distance: str
    site: str
    words: str = ""

    @property
    def label(self) -> str:
        """At the left edge."""
        if not self.distance:
            return _SITES.get(self.site, self.site)
        return self.words or _DISTANCES.get(self.distance, self.distance)


@dataclass(frozen=True)
class Grid:
    """Lines and columns that all panels of a figure share."""

    lines: tuple[Line, ...]
    layers: tuple[int, ...]
    measures: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, data: pd.DataFrame, measures: Mapping[tuple[str, str], str] = MEASURES) -> Grid:
        """Everything that occurs in ``data``, in the order of a model; ``measures``: what has no layers."""
        found = set(zip(data["distance"], data["site"], strict=True))
        lines, top = [], 0.0
        for measure, words in measures.items():
            if measure in found:
                lines.append(Line(top, *measure, words))
                top += 1
        sites = dict.fromkeys([*_SITES, *sorted(data["site"].unique())])
        for site in sites:
            here = [
                distance for distance, other in found if other == site and (distance, site) not in measures
            ]
            if not site or not here:
                continue
            lines.append(Line(top + _GAP, "", site))
            top += _GAP + _HEADER
            for distance in sorted(here, key=_distance_order):
                lines.append(Line(top, distance, site))
                top += 1
        layers = sorted(int(layer) for layer in data["layer"].dropna().unique())
        return cls(tuple(lines), tuple(layers), measures)

    @property
    def bottom(self) -> float:
        """Lower edge of the last line."""
        return self.lines[-1].top + 1

    @property
    def inches(self) -> tuple[float, float]:
        """Width and height of a panel."""
        return max(1.3, _COLUMN_INCHES * len(self.layers)), _LINE_INCHES * self.bottom


def panel(axis: Axes, data: pd.DataFrame, grid: Grid, labelled: bool) -> None:
    """Draw the correlations of one method with one measure; of the measure itself, its course.

    Args:
        axis: where.
        data: of one method, pair and measure, see :func:`retort.reporting.distances.correlations`.
        grid: lines and columns.
        labelled: whether lines are named at the left edge.
    """
    cells = {
        (cell["distance"], cell["site"], cell["layer"]): cell
        for cell in data.astype({"layer": object}).replace({float("nan"): None}).to_dict("records")
    }
    width = max(len(grid.layers), 1)
    for line in grid.lines:
        if not line.distance:
            continue
        wide = (line.distance, line.site) in grid.measures
        for place, layer in enumerate((None,) if wide else grid.layers):
            cell = cells.get((line.distance, line.site, layer))
            if cell is not None:
                _draw(axis, (place, line.top, width if wide else 1), cell)
    axis.set(xlim=(0, width), ylim=(grid.bottom, 0))
    axis.set_xticks([place + 0.5 for place in range(len(grid.layers))], list(map(str, grid.layers)))
    named = grid.lines if labelled else ()
    axis.set_yticks([line.top + 0.5 for line in named], [line.label for line in named])
    for line, label in zip(named, axis.get_yticklabels(), strict=True):
        label.set_fontweight("normal" if line.distance else "bold")
    axis.tick_params(length=0, pad=3)
    axis.spines[:].set_visible(False)


def _draw(axis: Axes, place: tuple[float, float, float], cell: Mapping[Hashable, Any]) -> None:
    """One field (left, top, width) with its number."""
    x, y, width = place
    middle = (x + width / 2, y + 0.53)
    written: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
    rho = cell["rho"]
    if _ITSELF[cell["against"]] == (cell["distance"], cell["site"]):
        axis.text(*middle, course(cell["first"], cell["last"]), **written)
    elif rho is None:
        axis.text(*middle, "–", color=style.FAINT, **written)
    else:
        face, colour = _colours(rho)
        axis.add_patch(_box((x + 0.02, y + 0.03), (width - 0.04, 0.94), facecolor=face, linewidth=0))
        if rho <= 0:
            edge = _box(
                (x + 0.07, y + 0.11), (width - 0.14, 0.78), edgecolor=colour, linewidth=1.1, fill=False
            )
            axis.add_patch(edge)
        text = number(rho)
        axis.text(*middle, text if cell["p"] <= LEVEL else f"({text})", color=colour, **written)


def _box(corner: tuple[float, float], size: tuple[float, float], **look: Any) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, *size, **look)


def _colours(rho: float) -> tuple[Any, str]:
    """Of a field, and of the text on it that has the higher contrast (WCAG 2, relative luminance)."""
    import matplotlib as mpl

    face = mpl.colormaps[style.SIGNED]((rho + 1) / 2)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in face[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return face, "white" if luminance < _DARK else style.INK


def number(rho: float) -> str:
    """A correlation as it is printed."""
    return f"{round(rho, 2) + 0:.2f}".replace("-", "−")


def course(first: float, last: float) -> str:
    """From where to where a value goes."""
    return f"{_short(first)} → {_short(last)}"


def _short(value: float) -> str:
    """A value with about three digits."""
    if value >= 1e6:
        return f"{value:.0e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def key(figure: Figure) -> None:
    """Colour bar and the meaning of the marks, below the panels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = ScalarMappable(Normalize(-1, 1), style.SIGNED)
    bar = figure.colorbar(
        colours,
        ax=figure.axes,
        location="bottom",
        ticks=[-1, -0.5, 0, 0.5, 1],
        shrink=0.8,
        aspect=35,
        pad=0.015,
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.set_label("Spearman ρ over the steps of a run")
    marks = [
        Patch(fill=False, edgecolor=style.INK, linewidth=1.1, label="ρ ≤ 0: moves apart or stays"),
        Line2D([], [], linestyle="", marker="$(\\;\\,)$", markersize=13, color=style.INK, label="p > 0.05"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, handlelength=1.4, columnspacing=1.5)


def _distance_order(distance: str) -> tuple[int, str]:
    order = list(_DISTANCES)
    return order.index(distance) if distance in order else len(order), distance
