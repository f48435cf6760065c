"""The main result at a glance: every method's score here, beside the paper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, TEACHERS, Row, baseline_average, table_rows
from retort.reporting.tables import title_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "SuperGLUE score of every method, here and in the paper"
COLUMNS = ("section", "method", "pair", "seed", "score", "paper")
_ROW_HEIGHT = 0.21
_OURS = "GLMD"
"""Methods whose names begin so are the paper's own, drawn in a colour of their own."""


def scores(results: Results) -> pd.DataFrame:
    """One line for each seed of each row that was run, in the order of Table 3.

    Columns ``section, method, pair, seed, score, paper``; the baseline and teachers among them, with the
    score that the paper prints for the same pair, if it does.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in table_rows(results):
        for seed, score in row.average().by_seed.items():
            records.append(
                {
                    "section": row.section,
                    "method": row.method,
                    "pair": row.pair,
                    "seed": seed,
                    "score": round(score, 4),
                    "paper": row.published.score if row.published else None,
                }
            )
    return pd.DataFrame(records, columns=list(COLUMNS))


def overview(data: pd.DataFrame) -> Figure:
    """A dot for each seed and a ring at the mean, one line for each method; the paper's score beside it."""
    from matplotlib.figure import Figure

    students = data[~data["section"].isin([BASELINE, TEACHERS])]
    if students.empty:
        return style.empty("No method was run at this scale.")
    rows = list(students.groupby(["section", "method", "pair"], sort=False))
    with style.style():
        height = 1.1 + _ROW_HEIGHT * len(rows)
        figure = Figure(figsize=(7.0, height), layout="constrained")
        ours, paper = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for place, ((_, method, _), runs) in enumerate(rows):
            colour = style.ORANGE if str(method).startswith(_OURS) else style.BLUE
            ours.plot(runs["score"], [place] * len(runs), ".", color=colour, ms=5, alpha=0.7)
            ours.plot(runs["score"].mean(), place, "o", mfc="none", color=colour, ms=7)
            paper.plot(runs["paper"].iloc[0], place, "D", color=colour, ms=4)
        _levels(ours, data)
        _axes(ours, paper, rows)
    return figure


def _levels(axes: Axes, data: pd.DataFrame) -> None:
    """The best teacher and the majority baseline as lines."""
    for section, words, place in ((BASELINE, "majority", "left"), (TEACHERS, "best teacher", "right")):
        found = data[data["section"] == section]["score"]
        if not found.empty:
            level = found.max()
            axes.axvline(level, color=style.FAINT, lw=1, zorder=0)
            side = 3 if place == "left" else -3
            axes.annotate(
                words, (level, 1.0), xycoords=("data", "axes fraction"), xytext=(side, 2),
                textcoords="offset points", ha=place, va="bottom", fontsize=7,
            )  # fmt: skip


def _axes(ours: Axes, paper: Axes, rows: list[tuple[Any, pd.DataFrame]]) -> None:
    labels = [f"{method}  {pair}" for (_, method, pair), _ in rows]
    ours.set_yticks(range(len(rows)), labels)
    ours.set_ylim(len(rows) - 0.4, -0.6)
    sections = [section for (section, _, _), _ in rows]
    for axes, words in ((ours, "here"), (paper, "in the paper")):
        axes.set_xlabel(f"SuperGLUE score {words}")
        axes.grid(axis="x", color=style.FAINT, lw=0.4)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        for place in range(1, len(rows)):
            if sections[place] != sections[place - 1]:
                axes.axhline(place - 0.5, color=style.INK, lw=0.5)


def rank_correlation(data: pd.DataFrame) -> tuple[float, int] | None:
    """Spearman's correlation of our means with the paper's scores, and of how many rows; ``None`` below 3."""
    from scipy.stats import spearmanr

    students = data[~data["section"].isin([BASELINE, TEACHERS])].dropna(subset="paper")
    means = students.groupby(["method", "pair"], sort=False)[["score", "paper"]].mean()
    if len(means) < 3 or means["score"].nunique() == 1:
        return None
    return float(spearmanr(means["score"], means["paper"]).statistic), len(means)


def caption(results: Results, data: pd.DataFrame) -> str:
    """What is drawn, and what it does not say."""
    rows = table_rows(results)
    found = rank_correlation(data)
    ranks = (
        ""
        if found is None
        else f" Spearman's rank correlation of the two sides over {found[1]} rows: {found[0]:.2f}."
    )
    sections = dict.fromkeys(title_of(row.section).lower() for row in rows if _is_student(row))
    floor = baseline_average(rows)
    level = "" if floor is None else f" The majority baseline has {floor:.1f}."
    seeds = len(results.config.seeds)
    return (
        f"Dots: {seeds} training seed{'s' if seeds > 1 else ''}; rings: their mean; diamonds: the paper's "
        f"score. Orange: the paper's own methods. Lines part {', '.join(sections)}.{level}{ranks} "
        "The paper's models and data are others: compare orders and gaps, not levels."
    )


def _is_student(row: Row) -> bool:
    return row.was_run and row.section not in (BASELINE, TEACHERS)
