"""One look for all figures, and files that are the same bytes whenever they are drawn anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#b8b8b8"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
"""From the palette of Okabe and Ito, which colour-blind readers tell apart."""
SIGNED = "RdBu"
"""Red below zero, blue above: told apart by colour-blind readers, too."""

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "retort",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw inside this block; nothing of the user's own matplotlib settings gets in."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``<name>.png`` (200 dpi) and ``<name>.svg``, without dates; returns the two paths."""
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with style():
        with atomic_path(paths[0]) as temporary:
            figure.savefig(temporary, format="png", dpi=200, metadata={"Software": None})
        with atomic_path(paths[1]) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    return paths


def empty(message: str) -> Figure:
    """A figure that says why there is nothing to see."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(6.0, 1.6), layout="constrained")
        figure.text(0.5, 0.5, message, ha="center", va="center", wrap=True)
    return figure
