"""The main result at a glance: every student's score as a share of its teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import style
from retort.reporting.cka.look import looks
from retort.reporting.results import Results
from retort.reporting.track_rows import baseline_score, family_of, student_rows, teacher_score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Every student's score, as a share of its teacher's"
COLUMNS = ("family", "method", "pair", "seed", "score", "teacher", "baseline", "share")
NOTHING = "No student was scored at this scale."
_ROW_HEIGHT = 0.21


def scores(results: Results) -> pd.DataFrame:
    """One line for each student and seed.

    Columns ``family, method, pair, seed, score, teacher, baseline, share``: the mean of the leading metrics
    over the family's data sets, that of its teacher and of the best baseline, and the score in percent of
    the teacher's.
    """
    import pandas as pd

    rows, records = student_rows(results), list[tuple[Any, ...]]()
    for row in rows:
        teacher, floor = teacher_score(rows, row), baseline_score(rows, row.track)
        if row.role == "student" and teacher:
            for seed, score in row.average().by_seed.items():
                head = (family_of(results, row.track), row.method, row.pair, seed, round(score, 4))
                known = None if floor is None else round(floor, 4)
                records.append((*head, round(teacher, 4), known, round(100 * score / teacher, 4)))
    return pd.DataFrame(records, columns=list(COLUMNS))


def overview(data: pd.DataFrame) -> Figure:
    """A dot for each seed and a ring at the mean, one line for each method on each student."""
    from matplotlib.figure import Figure

    if data.empty:
        return style.empty(NOTHING)
    families = list(data.groupby("family", sort=False))
    rows = [part.groupby(["pair", "method"], sort=False).ngroups for _, part in families]
    with style.style():
        figure = Figure(figsize=(7.0, 0.9 + _ROW_HEIGHT * sum(rows) + 0.45 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=rows).ravel()
        for axis, (family, part) in zip(axes, families, strict=True):
            _panel(axis, part)
            axis.set_title(str(family), loc="left")
        axes[-1].set_xlabel("percent of the teacher's score")
    return figure


def _panel(axis: Axes, part: pd.DataFrame) -> None:
    rows, methods = list(part.groupby(["pair", "method"], sort=False)), looks(list(part["method"]))
    for place, ((_, method), runs) in enumerate(rows):
        colour = methods[str(method)].colour
        axis.plot(runs["share"], [place] * len(runs), ".", color=colour, ms=5, alpha=0.7)
        axis.plot(runs["share"].mean(), place, "o", mfc="none", color=colour, ms=7)
        floor = runs["baseline"].iloc[0]
        if floor == floor:  # no baseline is no number
            axis.plot(100 * floor / runs["teacher"].iloc[0], place, "|", color=style.INK, ms=9)
    axis.axvline(100, color=style.FAINT, lw=1, zorder=0)
    axis.set_yticks(
        range(len(rows)), [f"{method}  {str(pair).rpartition('-')[2]}" for (pair, method), _ in rows]
    )
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)


def caption(data: pd.DataFrame) -> str:
    """What is drawn, and what it does not say."""
    if data.empty:
        return NOTHING
    seeds = data["seed"].nunique()
    return (
        f"Dots: {seeds} training seed{'s' if seeds > 1 else ''}; rings: their mean; strokes: the best "
        "baseline (majority; for texts, copying the source). Colour: what hidden states are compared by "
        "(orange CKA, blue a trained projection, green cosine, black nothing). The score is the mean of "
        "the leading metrics over the family's data sets; metrics of different families do not compare."
    )
