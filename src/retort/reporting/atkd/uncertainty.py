"""How sure teachers of different size are of the words that come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.atkd.rows import family_rows
from retort.reporting.atkd.runs import parameters_of, reported, short
from retort.reporting.results import Results
from retort.reporting.track_rows import family_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "How uncertain teachers are of the words that come"
COLUMNS = ("family", "teacher", "parameters", "lower", "upper", "share")
NOTHING = "No teacher recorded how uncertain it is."
_NAME = "uncertainty:"
"""Begins the names of the bins among the losses of an evaluation; the lower end follows."""


def shares(results: Results) -> pd.DataFrame:
    """Share of the words of the references by the mass that a teacher gives to other words (UnC).

    Columns ``family, teacher, parameters, lower, upper, share``: one line for each bin.
    """
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for track in results.tracks:
        for row in family_rows(results, track):
            if row.role == "teacher":
                head = (family_of(results, track), row.pair, parameters_of(row))
                ((_, evaluation),) = reported(row)
                records += [(*head, *one) for one in bins(evaluation.get("losses", {}))]
    return pd.DataFrame(records, columns=list(COLUMNS))


def bins(losses: dict[str, float]) -> list[tuple[float, float, float]]:
    """(lower end, upper end, share) of each bin of an evaluation; none where it has none."""
    found = sorted(
        (float(name.removeprefix(_NAME)), share) for name, share in losses.items() if name.startswith(_NAME)
    )
    ends = [*(lower for lower, _ in found[1:]), 1.0]
    return [(lower, upper, share) for (lower, share), upper in zip(found, ends, strict=False)]


def figure(data: pd.DataFrame) -> Figure:
    """A panel for each family, a line for each teacher, darker for larger ones."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if data.empty:
        return style.empty(NOTHING)
    panels = list(data.groupby("family", sort=False))
    with style.style():
        drawn = Figure(figsize=(3.8 * len(panels) + 0.6, 3.2), layout="constrained")
        axes = drawn.subplots(1, len(panels), squeeze=False, sharey=True).ravel()
        for axis, (family, part) in zip(axes, panels, strict=True):
            _panel(axis, part, mpl.colormaps["viridis_r"])
            axis.set_title(str(family))
            axis.set_xlabel("probability of other words (UnC)")
        axes[0].set_ylabel("density of words")
    return drawn


def _panel(axis: Axes, part: pd.DataFrame, colours: Any) -> None:
    teachers = sorted(part.groupby("teacher"), key=lambda item: item[1]["parameters"].iloc[0])
    for number, (teacher, own) in enumerate(teachers):
        widths = own["upper"] - own["lower"]
        edges = [*own["lower"], own["upper"].iloc[-1]]
        label = f"{teacher} ({short(own['parameters'].iloc[0])}), mean {mean(own):.2f}"
        colour = colours(0.15 + 0.85 * (number + 1) / len(teachers))
        axis.stairs(own["share"] / widths, edges, color=colour, lw=1.4, label=label)
    axis.set_xlim(0, 1)
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper center", fontsize=7)


def mean(own: pd.DataFrame) -> float:
    """Mean uncertainty of a teacher, from the middles of the bins."""
    return float((own["share"] * (own["lower"] + own["upper"]) / 2).sum())


def caption(data: pd.DataFrame) -> str:
    """What is drawn."""
    if data.empty:
        return NOTHING
    return (
        "Words of the references on dev by the probability that the fine-tuned teacher gives to other words "
        "than the one that comes, in bins. Darker: larger teachers; means are from the middles of the bins. "
        "The paper smooths the same with a kernel and reports that larger teachers are surer. A teacher is a "
        "single run."
    )
