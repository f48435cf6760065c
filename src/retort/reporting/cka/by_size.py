"""Scores by the size of the student, method by method."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

from retort.papers import paper_of
from retort.reporting import style
from retort.reporting.cka.by_data_set import SHORT
from retort.reporting.cka.look import looks
from retort.reporting.results import Results
from retort.reporting.scores import PAPER, select
from retort.reporting.track_rows import student_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("track", "role", "method", "pair", "parameters", "seed", "task", "metric", "score")
TITLE = "Scores by the student's size"
NOTHING = "No student was scored at this scale."
_ACROSS = 3
"""Panels beside each other."""


def scores(results: Results) -> pd.DataFrame:
    """One line for each seed, data set and method: its leading metric, and the model's parameters."""
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for row in student_rows(results):
        for task in row.tasks:
            metric = paper_of(results.paper).task(task).leading[0]
            found = select(row.scores, protocol=PAPER, task=task, metric=metric)
            for seed, value in zip(found["seed"], found["value"], strict=True):
                head = (row.track, row.role, row.method, row.pair, row.parameters, seed)
                records.append((*head, task, metric, round(value, 4)))
    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"parameters": "Int64"})


def by_size(data: pd.DataFrame) -> Figure:
    """A panel for each data set: dots for seeds, markers for means, bars for their 95 % intervals."""
    from matplotlib.figure import Figure

    students = data[(data["role"] == "student") & data["parameters"].notna()]
    if students.empty:
        return style.empty(NOTHING)
    places = list(dict.fromkeys(zip(students["track"], students["task"], strict=True)))
    across = min(_ACROSS, len(places))
    down = -(-len(places) // across)
    with style.style():
        figure = Figure(figsize=(2.7 * across + 0.6, 2.3 * down + 0.8), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for axis in axes[len(places) :]:
            axis.remove()
        named: dict[str, Any] = {}
        often = Counter(task for _, task in places)
        for axis, (track, task) in zip(axes, places, strict=False):
            named |= _panel(axis, data[(data["track"] == track) & (data["task"] == task)])
            axis.set_title(f"{task} ({track})" if often[task] > 1 else task)
        for axis in axes[max(0, len(places) - across) : len(places)]:
            axis.set_xlabel("parameters of the student")
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)
    return figure


def _panel(axis: Axes, data: pd.DataFrame) -> dict[str, Any]:
    """Returns what the key needs."""
    students = data[data["role"] == "student"].dropna(subset="parameters")
    methods = looks(list(students["method"]))
    sizes = sorted(students["parameters"].unique())
    named: dict[str, Any] = {}
    for number, (method, look) in enumerate(methods.items()):
        # Methods of one size stand aside of each other, so that all are seen.
        aside = 1 + 0.035 * (number - (len(methods) - 1) / 2)
        means = []
        for size in sizes:
            part = students[(students["method"] == method) & (students["parameters"] == size)]
            if part.empty:
                continue
            values = [float(value) for value in part["score"]]
            means.append((float(size) * aside, statistics.fmean(values), half_interval(values) or 0.0))
            axis.plot([means[-1][0]] * len(values), values, ".", color=look.colour, ms=3, alpha=0.6)
        x, y, half = zip(*means, strict=True)
        named[str(method)] = axis.errorbar(
            x,
            y,
            half,
            color=look.colour,
            ls=look.line,
            lw=0.9,
            marker=look.marker,
            ms=5,
            mfc="none",
            capsize=2,
        )
    for role, words in (("teacher", "teacher"), ("baseline", "baseline")):
        level = data[data["role"] == role]["score"].mean()
        if not math.isnan(level):
            axis.axhline(level, color=style.FAINT, lw=1, zorder=0)
            axis.annotate(
                words, (0.01, level), xycoords=("axes fraction", "data"), ha="left", va="bottom", fontsize=7
            )
    axis.set_xscale("log")
    axis.set_xticks([float(size) for size in sizes], [_short(int(size)) for size in sizes])
    axis.minorticks_off()
    axis.set_xlim(float(sizes[0]) * 0.8, float(sizes[-1]) * 1.25)
    axis.set_ylabel(SHORT[data["metric"].iloc[0]])
    return named


def half_interval(values: list[float]) -> float | None:
    """Half of the 95 % interval of a mean by Student's t; ``None`` for fewer than three values."""
    from scipy.stats import t

    if len(values) < 3:
        return None
    return float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))


def _short(count: int) -> str:
    return f"{count / 1e6:.3g}M" if count >= 1e6 else f"{count / 1e3:.3g}K"


def caption(data: pd.DataFrame) -> str:
    """What is drawn."""
    seeds = data[data["role"] == "student"]["seed"].nunique()
    if not seeds:
        return NOTHING
    bars = (
        "bars: 95 % intervals of the mean by Student's t" if seeds > 2 else "no intervals from so few seeds"
    )
    return (
        f"Leading metric on dev against the parameters of the student. Dots: {seeds} training "
        f"seed{'s' if seeds > 1 else ''}; markers: their mean; {bars}. Colour: what hidden states are "
        "compared by (orange CKA, blue a trained projection, green cosine, black nothing). Grey lines: the "
        "teacher, and the baseline that learned nothing. Methods of one size stand a little aside of each "
        "other."
    )
