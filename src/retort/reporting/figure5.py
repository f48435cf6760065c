"""Figure 5: whether training loss, word-prediction loss and perplexity fall together, and what with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retort.reporting import distances, heatmap, style
from retort.reporting.figure2 import NOTHING, method_note
from retort.reporting.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METHODS = ("TinyBERT", "GLMD-vc")
TITLE = "Does a falling training loss bring the word predictions closer, and the perplexity down?"
_AGAINST = {"loss": "training loss", "l_sp": "$L_{sp}$", "perplexity": "perplexity"}


def correlations(results: Results) -> pd.DataFrame:
    """Correlations with loss, L_sp and perplexity, see :func:`retort.reporting.distances.correlations`.

    Of the first pair that was run with most of the methods: the figure is about one pair.
    """
    data = distances.correlations(results, METHODS, list(_AGAINST))
    methods = data.groupby("pair", sort=False)["method"].nunique()
    return data[data["pair"] == methods.idxmax()] if len(methods) else data


def figure5(data: pd.DataFrame) -> Figure:
    """Heat maps: a row of panels for each method, a panel for each measure."""
    from matplotlib.figure import Figure

    if data["rho"].notna().sum() == 0:
        return style.empty(NOTHING)
    grid = heatmap.Grid.of(data)
    methods = [method for method in METHODS if (data["method"] == method).any()]
    against = [measure for measure in _AGAINST if (data["against"] == measure).any()]
    width, height = grid.inches
    size = (1.9 + len(against) * (width + 0.15), 1.2 + len(methods) * (height + 0.55))
    with style.style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(methods), len(against), squeeze=False)
        for row, method in zip(axes, methods, strict=True):
            of_method = data[data["method"] == method]
            for axis, measure in zip(row, against, strict=True):
                heatmap.panel(axis, of_method[of_method["against"] == measure], grid, labelled=axis is row[0])
                axis.set_title(f"with {_AGAINST[measure]}", fontsize=9)
            row[0].set_title(f"{method}   ", loc="right", x=-0.02, fontsize=11, fontweight="bold")
        for axis in axes[-1]:
            axis.set_xlabel("layer of the student")
        heatmap.key(figure)
    return figure


def caption(data: pd.DataFrame) -> str:
    """What the figure shows, its answer to the paper's question, and how much stands behind it."""
    if data["rho"].notna().sum() == 0:
        return NOTHING
    return (
        "Spearman correlation of the training loss, of L_sp (the KL between the word predictions of student "
        "and teacher, which GLMD minimises) and of the student's perplexity on gold words with each feature "
        f"distance and with each other, on {data['pair'].iloc[0]}. {' '.join(_answers(data))} "
        f"{method_note(data)}"
    )


def _answers(data: pd.DataFrame) -> list[str]:
    """For each method, how its loss goes with L_sp and perplexity, and how far these fall."""
    of_loss = data[data["against"] == "loss"]
    told = []
    for method, part in of_loss.groupby("method", sort=False):
        measures = {
            "L_sp": part[(part["distance"] == "kl") & (part["site"] == "words")],
            "perplexity": part[part["distance"] == "perplexity"],
        }
        found = [
            f"{_answer(cells)} with {name} ({heatmap.course(cells['first'].iloc[0], cells['last'].iloc[0])})"
            for name, cells in measures.items()
            if cells["rho"].notna().any()
        ]
        if found:
            told.append(f"The training loss of {method}: {' and '.join(found)}.")
    return told


def _answer(cells: pd.DataFrame) -> str:
    rho, p = cells["rho"].iloc[0], cells["p"].iloc[0]
    return f"ρ = {heatmap.number(rho)}{'' if p <= heatmap.LEVEL else ', which may be chance,'}"
