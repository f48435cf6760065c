"""Figure 1: students by the size of their teacher, with and without ATKD."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.atkd.look import line_of
from retort.reporting.atkd.main_table import rounded
from retort.reporting.atkd.rows import family_rows
from retort.reporting.atkd.runs import parameters_of, short
from retort.reporting.results import Results
from retort.reporting.track_rows import family_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Students by the size of their teacher"
COLUMNS = ("family", "method", "teacher", "teacher_parameters", "student", "seed", "score", "teacher_score")
NOTHING = "No method ran with teachers of several sizes at this scale."


def scores(results: Results) -> pd.DataFrame:
    """One line for each student and seed: mean over the sets, its teacher's, and how large that is.

    Columns ``family, method, teacher, teacher_parameters, student, seed, score, teacher_score``.
    """
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for track in results.tracks:
        rows = family_rows(results, track)
        teachers = {row.pair: row for row in rows if row.role == "teacher"}
        sizes = {symbol: parameters_of(row) for symbol, row in teachers.items()}
        for row in rows:
            if row.role == "student" and row.teacher in teachers:
                above = rounded(teachers[row.teacher].average().summary.mean)
                head = (family_of(results, track), row.method, row.teacher, sizes[row.teacher], row.model)
                by_seed = row.average().by_seed
                records += [(*head, seed, round(score, 4), above) for seed, score in by_seed.items()]
    return pd.DataFrame(records, columns=list(COLUMNS))


def ladders(data: pd.DataFrame) -> pd.DataFrame:
    """Methods that taught a student with teachers of several sizes."""
    if data.empty:
        return data
    places = ["family", "student", "method"]
    return data[data.groupby(places)["teacher_parameters"].transform("nunique") > 1]


def figure(data: pd.DataFrame) -> Figure:
    """A panel for each family and student: small markers for seeds, large ones for means."""
    from matplotlib.figure import Figure

    shown = ladders(data)
    if shown.empty:
        return style.empty(NOTHING)
    panels = list(shown.groupby(["family", "student"], sort=False))
    with style.style():
        drawn = Figure(figsize=(3.2 * len(panels) + 1.6, 3.4), layout="constrained")
        axes = drawn.subplots(1, len(panels), squeeze=False).ravel()
        named: dict[str, Any] = {}
        for axis, ((family, student), part) in zip(axes, panels, strict=True):
            named |= _panel(axis, part)
            axis.set_title(f"{family}: {student}")
        axes[0].set_ylabel("student's score, mean over sets")
        drawn.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)
    return drawn


def _panel(axis: Axes, part: pd.DataFrame) -> dict[str, Any]:
    """Returns what the key needs."""
    named: dict[str, Any] = {}
    for method, runs in part.groupby("method", sort=False):
        look = line_of(str(method))
        axis.plot(runs["teacher_parameters"], runs["score"], **look | {"ls": "none", "ms": 2})
        points = sorted(
            (size, statistics.fmean(group["score"])) for size, group in runs.groupby("teacher_parameters")
        )
        (line,) = axis.plot(*zip(*points, strict=True), **look)
        named[str(method)] = line
    sizes = sorted(set(part["teacher_parameters"]))
    axis.set_xscale("log")
    axis.set_xticks(sizes, [short(size) for size in sizes])
    axis.minorticks_off()
    edge = (sizes[-1] / sizes[0]) ** 0.15
    axis.set_xlim(sizes[0] / edge, sizes[-1] * edge)
    axis.set_xlabel("parameters of the teacher")
    axis.grid(axis="y", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)
    return named


def caption(data: pd.DataFrame) -> str:
    """What is drawn, and what the file has besides."""
    shown = ladders(data)
    if shown.empty:
        return NOTHING
    seeds = shown["seed"].nunique()
    return (
        f"Mean over the sets of the family against the parameters of the teacher. Small: {seeds} training "
        f"seed{'s' if seeds > 1 else ''}; large: their mean. Full lines: with ATKD; broken ones: without. "
        "Each teacher is a single run, so that nothing is known about how far another of its size would "
        "differ. The CSV has methods with one teacher, too, and each teacher's own score."
    )
