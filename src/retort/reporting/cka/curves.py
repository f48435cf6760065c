"""Validation curves: how a student's words come closer to the right ones and to its teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.cka.look import looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Losses on dev while students learn to write"
NOTHING = "No method learned to write texts at this scale."
LOSSES = {"clm": "cross-entropy of right words", "kl": "KL from the teacher's words"}


def curves(data: pd.DataFrame) -> Figure:
    """A column of panels for each data set, on its first student; a line for each method, mean over seeds."""
    from matplotlib.figure import Figure

    shown = first_students(data)
    if shown.empty:
        return style.empty(NOTHING)
    tasks = list(dict.fromkeys(shown["task"]))
    with style.style():
        figure = Figure(figsize=(max(4.4, 2.6 * len(tasks)), 5.6), layout="constrained")
        axes = figure.subplots(len(LOSSES), len(tasks), squeeze=False, sharex="col")
        for row, (loss, words) in zip(axes, LOSSES.items(), strict=True):
            for axis, task in zip(row, tasks, strict=True):
                _panel(axis, shown[shown["task"] == task], loss)
            row[0].set_ylabel(words)
        for axis, task in zip(axes[0], tasks, strict=True):
            axis.set_title(f"{task}\n{shown[shown['task'] == task]['pair'].iloc[0]}")
        for axis in axes[-1]:
            axis.set_xlabel("epoch")
        _key(figure, axes[0])
    return figure


def first_students(data: pd.DataFrame) -> pd.DataFrame:
    """Of each data set the student that most methods train, the first of several."""
    import pandas as pd

    parts = []
    for _, part in data.groupby("task", sort=False):
        methods = part.groupby("pair", sort=False)["method"].nunique()
        parts.append(part[part["pair"] == methods.idxmax()])
    return pd.concat(parts) if parts else data


def _panel(axis: Axes, part: pd.DataFrame, loss: str) -> None:
    for method, look in looks(list(part["method"])).items():
        means = part[part["method"] == method].groupby("epoch")[loss].mean().dropna()
        line, marker = look.line, look.marker
        axis.plot(means.index, means, line, color=look.colour, marker=marker, ms=3, label=str(method))
    axis.grid(axis="y", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)


def _key(figure: Figure, axes: Any) -> None:
    """One key for all panels."""
    named: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)


def caption(data: pd.DataFrame) -> str:
    """What is drawn, and what the file has besides."""
    if data.empty:
        return NOTHING
    shown, seeds = first_students(data), data["seed"].nunique()
    pairs = ", ".join(dict.fromkeys(shown["pair"]))
    return (
        f"On dev after each part of training, mean of {seeds} seed{'s' if seeds > 1 else ''}, per word of "
        "the reference: cross-entropy of the right words, and KL of the student's distribution from the "
        f"teacher's. Shown: {pairs}; the CSV has every student and seed. Epoch 0 is the student as cut out "
        "of its teacher, or as the corpus left it. A method that minimises the reverse KL is shown by the "
        "same forward KL."
    )
