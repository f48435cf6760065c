"""Which layers come closer to the teacher's while the loss falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retort.reporting import distances, heatmap, style
from retort.reporting.figure2 import NOTHING, span
from retort.reporting.results import Results
from retort.reporting.track_rows import TrackRow, student_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METHODS = (
    *("BART CKA C4", "BART linear C4", "BART none C4"),
    *("mBART CKA", "mBART CKA forward", "mBART linear", "mBART none"),
    *("BERT CKA", "BERT CKA 3", "BERT CKA 8", "BERT CKA 16", "BERT linear", "BERT linear 8", "BERT none"),
)
"""Those that begin on a corpus."""
ON_CORPUS = "corpus"
"""Stands for the training on the corpus in the column of data sets."""
COLUMNS = ("method", "pair", "task", *distances.COLUMNS[2:])
TITLE = "Which layers come closer to the teacher's while the loss falls?"
_MEASURES = {
    ("loss", ""): "training loss",
    ("kl", "words"): "KL of words",
    ("kl", "class"): "KL of classes",
    ("mse", "class"): "MSE of scores",
    ("perplexity", ""): "perplexity",
}
_PAGE_INCHES = 7.0


def correlations(results: Results) -> pd.DataFrame:
    """Spearman's correlation of each logged distance with the training loss over the steps of a run.

    Columns as of :func:`retort.reporting.distances.correlations`, and ``task``: where students learned, a
    data set or ``corpus``.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in student_rows(results):
        if row.role != "student":
            continue
        for place, logs in _logs(results, row).items():
            runs = [distances.series(lines) for lines in logs if lines]
            head = {"method": row.method, "pair": row.pair, "task": place}
            records += [head | record for record in distances.correlate(runs, ["loss"])]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.astype({"layer": "Int64", "seeds": "Int64", "points": "Int64"})


def _logs(results: Results, row: TrackRow) -> dict[str, list[list[dict[str, Any]]]]:
    """Lines of the logs of all seeds, by data set."""
    scores = row.scores
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for stage in dict.fromkeys(scores["stage"]):
        path = distances.pretraining_log(results, stage)
        if path is not None:
            found.setdefault(ON_CORPUS, []).append(distances.read_log(path))
    for stage, task, run in dict.fromkeys(zip(scores["stage"], scores["task"], scores["run"], strict=True)):
        path = results.run(stage, run) / distances.LOG
        if path.is_file():
            found.setdefault(task, []).append(distances.read_log(path))
    return found


def figure(data: pd.DataFrame) -> Figure:
    """Heat maps: a panel for each method, on its first student and the first place where it learned."""
    from matplotlib.figure import Figure

    if data["rho"].notna().sum() == 0:
        return style.empty(NOTHING)
    shown = drawn(data)
    grid = heatmap.Grid.of(shown, _MEASURES)
    panels = list(shown.groupby(["method", "pair", "task"], sort=False))
    width, height = grid.inches
    across = min(max(1, int(_PAGE_INCHES // (max(width, 1.9) + 0.15))), len(panels))
    down = -(-len(panels) // across)
    size = (1.9 + across * (max(width, 1.9) + 0.15), 1.3 + down * (height + 0.75))
    with style.style():
        made = Figure(figsize=size, layout="constrained")
        axes = made.subplots(down, across, squeeze=False)
        for number, axis in enumerate(axes.ravel()):
            if number >= len(panels):
                axis.remove()
                continue
            (method, pair, task), part = panels[number]
            heatmap.panel(axis, part, grid, labelled=number % across == 0)
            axis.set_title(f"{method}\n{str(pair).rpartition('-')[2]}, {task}", fontsize=9)
            axis.set_xlabel("layer of the student")
        heatmap.key(made)
    return made


def drawn(data: pd.DataFrame) -> pd.DataFrame:
    """Of each method the first student, on the corpus where it learned there, else on the first data set."""
    first = data.drop_duplicates("method")[["method", "pair", "task"]]
    found: pd.DataFrame = data.merge(first, on=["method", "pair", "task"])
    return found


def caption(data: pd.DataFrame) -> str:
    """What the figure shows, what it says, and how much stands behind it."""
    known = data[data["rho"].notna() & data["layer"].notna()]
    if known.empty:
        return NOTHING
    apart, sure = known["rho"] <= 0, known["p"] <= heatmap.LEVEL
    seeds, points = (span(known[name].astype(int)) for name in ("seeds", "points"))
    return (
        "Spearman correlation between the training loss and each distance of a student's layer from the "
        f"teacher's layer that it faces, by stack. Of {len(known)} correlations on all students and data "
        f"sets {int(apart.sum())} say that a layer does not come closer while the loss falls (ρ ≤ 0, "
        f"framed), {int((apart & sure).sum())} of them beyond chance. Shown: each method's first student, "
        f"on the corpus or on its first data set; the CSV has all. {points} evenly spaced steps of a run, "
        f"mean of {seeds} seed{'' if seeds == '1' else 's'}, on one fixed batch that the student is not "
        "trained on; the training loss is the mean since the step measured before. Layers face each other "
        "at the ends of equal blocks; layer 0 is the embeddings; hidden states are those of the decoder "
        f"where there is one. In brackets: p > {heatmap.LEVEL:g}, cell by cell, where the null moves the "
        "loss round against the distance by any number of steps. Dash: constant. Empty: shapes differ, or "
        "there is no such layer. Not in the paper, which claims that matching by CKA makes better "
        "students, not that layers come closer together."
    )
