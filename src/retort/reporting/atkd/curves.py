"""Validation curves: how students come closer to the right words and to their teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.recipes.atkd import METHODS
from retort.reporting import style
from retort.reporting.atkd.look import line_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Losses on dev while students learn"
NOTHING = "No student was trained at this scale."
LOSSES = {"clm": "cross-entropy of the reference's words", "kl": "KL from the teacher's words"}


def main_pairs(data: pd.DataFrame) -> list[str]:
    """Of each student the teacher of most methods, the first of several."""
    methods = data.groupby("pair", sort=False)["method"].nunique()
    by_student: dict[str, str] = {}
    for pair, number in methods.items():
        student = str(pair).rpartition("-")[2]
        if student not in by_student or number > methods[by_student[student]]:
            by_student[student] = str(pair)
    return list(by_student.values())


def curves(data: pd.DataFrame) -> Figure:
    """A column of panels for each student with its main teacher; a line for each method, mean over seeds."""
    from matplotlib.figure import Figure

    if data.empty:
        return style.empty(NOTHING)
    pairs = main_pairs(data)
    with style.style():
        drawn = Figure(figsize=(max(5.4, 3.0 * len(pairs)), 6.0), layout="constrained")
        axes = drawn.subplots(len(LOSSES), len(pairs), squeeze=False, sharex="col")
        named: dict[str, Any] = {}
        for row, (loss, words) in zip(axes, LOSSES.items(), strict=True):
            for axis, pair in zip(row, pairs, strict=True):
                named |= _panel(axis, data[data["pair"] == pair], loss)
            row[0].set_ylabel(words)
        for top, bottom, pair in zip(axes[0], axes[-1], pairs, strict=True):
            top.set_title(pair)
            bottom.set_xlabel("epoch")
        ordered = [method.name for method in METHODS if method.name in named]
        drawn.legend([named[name] for name in ordered], ordered, loc="outside lower center", ncols=3)
    return drawn


def _panel(axis: Axes, part: pd.DataFrame, loss: str) -> dict[str, Any]:
    """Returns what the key needs."""
    named = {}
    for method, runs in part.groupby("method", sort=False):
        means = runs.groupby("epoch")[loss].mean().dropna()
        if len(means):
            (named[str(method)],) = axis.plot(means.index, means, **line_of(str(method)))
    axis.grid(axis="y", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)
    return named


def caption(data: pd.DataFrame) -> str:
    """What is drawn, and what the file has besides."""
    if data.empty:
        return NOTHING
    seeds = data["seed"].nunique()
    return (
        f"On dev after each part of training, mean of {seeds} seed{'s' if seeds > 1 else ''}, per word of "
        "the references of all sets: cross-entropy, and KL of the student's distribution from the teacher's. "
        "Full lines: with ATKD; broken ones: without. Epoch 0 is the checkpoint that all students start "
        f"from. Shown: {', '.join(main_pairs(data))}; the CSV has every pair and seed. Methods without a "
        "teacher (SFT) have no KL."
    )
